# Evaluates the NixOS module with nixpkgs' library, and stubs for the options of NixOS
# that it sets or reads.
{ nixpkgs, configuration }:
let
  lib = import (nixpkgs + "/lib");
  any = lib.mkOption {
    type = lib.types.attrs;
    default = { };
  };
  units = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
  };
  service = {
    freeformType = lib.types.attrs;
    options = {
      after = units;
      onFailure = units;
    };
  };
  inherit
    (lib.evalModules {
      specialArgs.utils.escapeSystemdPath = builtins.replaceStrings [ "-" ] [ "\\x2d" ];
      modules = [
        ../nixos.nix
        configuration
        {
          options = {
            assertions = lib.mkOption { type = lib.types.listOf lib.types.attrs; };
            home-manager = any;
            systemd.package = any;
            systemd.services = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule service); };
            users.manageLingering = lib.mkOption { default = true; };
            users.users = lib.mkOption { type = lib.types.attrsOf (lib.types.attrsOf lib.types.anything); };
          };
          config.systemd.package.outPath = "/nix/store/0-systemd";
        }
      ];
    })
    config
    ;
in
{
  refused = map (a: a.message) config.assertions;
  inherit (config.systemd) services;
  lingers = lib.mapAttrs (_: u: u.linger or false) config.users.users;
}
