# Evaluates a Home Manager configuration with this module; packages are stubs. The result
# is what the tests check: each file below the configuration folder that has to do with
# units, with its text if that is known, and the refusals.
{
  homeManager,
  nixpkgs,
  configuration,
  osConfig ? null,
  canExecute ? true, # whether the machine that builds can run the programs
}:
let
  evaluated = import ./evaluated.nix {
    inherit
      homeManager
      nixpkgs
      configuration
      osConfig
      ;
    pkgs = { lib, nixpkgs }: import ./stub-pkgs.nix { inherit lib nixpkgs canExecute; };
  };

  inherit (evaluated) lib config;
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
