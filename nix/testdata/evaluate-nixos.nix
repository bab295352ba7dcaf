# Evaluates the NixOS module with Home Manager's, nixpkgs' library, and stubs for the
# options of NixOS that both set or read.
{
  homeManager,
  nixpkgs,
  configuration,
}:
let
  lib = import (nixpkgs + "/lib");
  inherit (lib) mkOption types;
  pkgs = import ./stub-pkgs.nix { inherit lib nixpkgs; };

  any = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  list = mkOption {
    type = types.listOf types.anything;
    default = [ ];
  };
  service = {
    freeformType = types.attrsOf types.anything;
    options = {
      after = list;
      onFailure = list;
    };
  };
  user =
    { name, ... }:
    {
      freeformType = types.attrsOf types.anything;
      options = {
        name = mkOption { default = name; };
        home = mkOption { default = "/home/${name}"; };
        uid = mkOption { default = null; };
        linger = mkOption { default = null; };
        packages = list;
      };
    };

  inherit
    (lib.evalModules {
      class = "nixos";
      specialArgs = {
        inherit pkgs;
        utils.escapeSystemdPath = builtins.replaceStrings [ "-" ] [ "\\x2d" ];
      };
      modules = [
        ../nixos.nix
        configuration
        {
          options = {
            assertions = list;
            warnings = list;
            environment = any;
            i18n = any;
            nix = any;
            system = any;
            specialisation = mkOption { type = types.raw; };
            virtualisation = any;
            systemd.package = mkOption { type = types.anything; };
            systemd.services = mkOption { type = types.attrsOf (types.submodule service); };
            systemd.user = any;
            users.manageLingering = mkOption { default = true; };
            users.users = mkOption { type = types.attrsOf (types.submodule user); };
          };
          config = {
            i18n.glibcLocales = pkgs.glibcLocales;
            nix.enable = true;
            nix.package = pkgs.nix;
            systemd.package = pkgs.systemd;
          };
        }
      ]
      ++ lib.optionals (homeManager != null) [
        (homeManager + "/nixos")
        {
          home-manager = {
            minimal = true;
            useGlobalPkgs = true;
            sharedModules = [
              {
                options.programs.fish = any;
                config.home.stateVersion = "25.05";
                config.home.enableNixpkgsReleaseCheck = false;
              }
            ];
          };
        }
      ];
    })
    config
    ;
in
{
  refused = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  inherit (config) warnings;
  services = lib.mapAttrs (_: s: {
    inherit (s) after onFailure;
    user = s.serviceConfig.User or "";
  }) config.systemd.services;
  lingers = lib.mapAttrs (_: u: u.linger == true) config.users.users;
  # The units of each home, and what its activation needs.
  homes = lib.mapAttrs (
    _: h: lib.filter (lib.hasPrefix "systemd/user/") (lib.attrNames h.xdg.configFile)
  ) (config.home-manager.users or { });
  configurations = lib.mapAttrs (
    _: h: h.xdg.configFile."stackpolicy/config.yaml".source.text or ""
  ) (config.home-manager.users or { });
}
