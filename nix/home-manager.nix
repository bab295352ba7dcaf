# The Home Manager module, services.stackpolicy. What it generates is made by the
# plain functions of lib.nix; here options become their arguments, and their
# results Home Manager's options.
{
  config,
  lib,
  pkgs,
  ...
}@args:
let
  cfg = config.services.stackpolicy;
  plain = import ./lib.nix;
  files = import ./files.nix { inherit lib pkgs plain; };

  # Under the NixOS module Home Manager hands the system's configuration in.
  osConfig = args.osConfig or { };

  given = cfg // {
    inherit (config.xdg) stateHome;
  };

  # Every unit of systemd.user, by its whole name.
  declared = lib.concatLists (
    lib.mapAttrsToList (
      suffix: kind: map (stem: "${stem}.${suffix}") (lib.attrNames config.systemd.user.${kind})
    ) plain.unitKinds
  );

  serviceOf = unit: config.systemd.user.services.${lib.removeSuffix ".service" unit} or { };

  host = {
    inherit (config.systemd.user) startServices;
    inherit (builtins) storeDir;
    inherit declared;
    execStart = unit: (serviceOf unit).Service.ExecStart or [ ];
    backup =
      if osConfig ? home-manager then
        {
          extension = osConfig.home-manager.backupFileExtension;
          overwrite = osConfig.home-manager.overwriteBackup or false;
        }
      else
        null;
  };

  own = plain.ownUnits given;

  wantsStamp =
    name:
    cfg.enable
    && (own ? ${name} || (if lib.isBool cfg.stamp then cfg.stamp else lib.elem name cfg.stamp));

  # stampEach extends the type of a kind of units: each sees itself as it is
  # declared in the end, by whomever, and has its stamp made of that.
  stampEach =
    suffix:
    lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule (
          { name, config, ... }:
          {
            config = lib.mkIf (wantsStamp "${name}.${suffix}") {
              Unit.Documentation = [
                (plain.revision (removeAttrs config [ "_module" ]))
              ];
            };
          }
        )
      );
    };

  autoUpdated = lib.any (s: s.autoUpdate) (lib.attrValues cfg.stacks);
  updateTimer = "podman-auto-update.timer";
  updateLink = "systemd/user/timers.target.wants/${updateTimer}";

  # isForced: podman's timer is not the module's, only the link to it is.
  isForced =
    path:
    cfg.enable
    && (
      plain.isArtifact (plain.forced given) path
      || (path == updateLink && autoUpdated && plain.reached "heal-artifacts" cfg.stage)
    );
in
{
  options = {
    services.stackpolicy = import ./module-options.nix {
      inherit
        lib
        pkgs
        cfg
        osConfig
        ;
    };

    systemd.user = lib.mapAttrs' (suffix: kind: lib.nameValuePair kind (stampEach suffix)) plain.unitKinds;

    # Force is each file's own: of the units', their links' and their drop-ins'.
    xdg.configFile = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule (
          { name, ... }:
          {
            config.force = lib.mkIf (isForced name) (lib.mkDefault true);
          }
        )
      );
    };
  };

  config = lib.mkIf cfg.enable {
    assertions =
      map (message: {
        assertion = false;
        inherit message;
      }) (plain.refusals given host)
      ++ files.assertions given;

    home.packages = [ cfg.package ];

    xdg.configFile = {
      "stackpolicy/config.yaml".source = files.config given;
    }
    // lib.optionalAttrs autoUpdated {
      ${updateLink}.source = "${cfg.podman}/share/systemd/user/${updateTimer}";
    };

    systemd.user = plain.byKind own;
  };
}
