# Evaluates a Home Manager configuration with this module, with a real Home Manager and
# nixpkgs' library; packages are stubs. The result is what the tests check: each file
# below the configuration folder that has to do with units, with its text if that is
# known, and the refusals. The folder nixpkgs has lib and, below nixos/modules/misc,
# assertions.nix and meta.nix.
{
  homeManager,
  nixpkgs,
  configuration,
  osConfig ? null,
  canExecute ? true, # whether the machine that builds can run the programs
}:
let
  lib = import (nixpkgs + "/lib");
  extended = import (homeManager + "/modules/lib/stdlib-extended.nix") lib;
  pkgs = import ./stub-pkgs.nix { inherit lib nixpkgs canExecute; };

  # Home Manager's module for podman is at another path since 26.05.
  podmanModule =
    if builtins.pathExists (homeManager + "/modules/services/podman") then
      homeManager + "/modules/services/podman"
    else
      homeManager + "/modules/services/podman-linux";

  evaluated = extended.evalModules {
    class = "homeManager";
    specialArgs = {
      modulesPath = homeManager + "/modules";
      inherit osConfig;
      podman = podmanModule;
    };
    modules =
      import (homeManager + "/modules/modules.nix") {
        inherit pkgs;
        lib = extended;
        minimal = true;
        useNixpkgsModule = false;
      }
      ++ [
        ../home-manager.nix
        ./stub-options.nix
        configuration
      ];
  };

  inherit (evaluated) config;
  failed = lib.filter (a: !a.assertion) config.assertions;

  # textOf returns the text of a source: the stubs for builders remember it, and a unit is a
  # file below the path that the stub for writeTextFile made.
  textOf =
    source:
    if source ? text then
      source.text
    else if lib.hasInfix "podman/share/" (toString source) then
      "(podman's)"
    else if lib.hasSuffix ".json" (toString source) then
      builtins.readFile source
    else
      builtins.readFile (dirOf (toString source));

  relevant =
    name: lib.any (folder: lib.hasPrefix folder name) [
      "systemd/user/"
      "stackpolicy/"
      "containers/systemd/"
    ];
  # Files of home.file that are no files of xdg.configFile, below the configuration folder.
  elsewhere = lib.mapAttrs' (
    _: f: lib.nameValuePair (lib.removePrefix ".config/" f.target) f
  ) config.home.file;
in
{
  refused = map (a: a.message) failed;
  inherit (config) warnings;
  jobTimeoutMs = config.systemd.user.servicesStartTimeoutMs;
  inherit (config.xdg.configFile."stackpolicy/config.yaml".source or { checkedBy = [ ]; }) checkedBy;
  files = lib.mapAttrs (_: f: {
    inherit (f) force;
    text = textOf f.source;
  }) (lib.filterAttrs (name: _: relevant name) (config.xdg.configFile // elsewhere));
}
