# Evaluates a Home Manager configuration with this module, by a real Home Manager
# and nixpkgs' library, and no packages but stand-ins. The answer is what the
# tests look at: each file below the configuration folder that has to do with
# units, with its text where that is known, and what was refused. The folder
# nixpkgs holds lib and, below nixos/modules/misc, assertions.nix and meta.nix.
{
  homeManager,
  nixpkgs,
  configuration,
  osConfig ? null,
}:
let
  lib = import (nixpkgs + "/lib");
  extended = import (homeManager + "/modules/lib/stdlib-extended.nix") lib;
  pkgs = import ./stub-pkgs.nix { inherit lib nixpkgs; };

  evaluated = extended.evalModules {
    class = "homeManager";
    specialArgs = {
      modulesPath = homeManager + "/modules";
      inherit osConfig;
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

  # textOf a source: what a build would write carries it, and a unit is a file
  # below the text that the stand-in for writeTextFile made in its place.
  textOf =
    source:
    if source ? text then
      source.text
    else if lib.hasInfix "podman/" (toString source) || lib.hasInfix "-podman" (toString source) then
      "(podman's)"
    else
      builtins.readFile (dirOf (toString source));

  relevant = name: lib.hasPrefix "systemd/user/" name || lib.hasPrefix "stackpolicy/" name;
in
{
  refused = map (a: a.message) failed;
  files = lib.mapAttrs (_: f: {
    inherit (f) force;
    text = textOf f.source;
  }) (lib.filterAttrs (name: _: relevant name) config.xdg.configFile);
}
