# The Home Manager module, services.stackpolicy. The plain functions of lib.nix
# generate everything; this file passes them the options, and their results to Home
# Manager's options.
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

  # With its NixOS module, Home Manager passes the system's configuration.
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

  # belowConfig returns a path below the home as a path below the configuration folder.
  belowConfig = lib.removePrefix (
    lib.removePrefix "${config.home.homeDirectory}/" config.xdg.configHome + "/"
  );

  serviceOf = unit: config.systemd.user.services.${lib.removeSuffix ".service" unit} or { };

  host = {
    inherit (config.systemd.user) startServices;
    jobTimeoutMs = config.systemd.user.servicesStartTimeoutMs;
    isNixOS = osConfig ? home-manager;
    inherit (builtins) storeDir;
    inherit declared;
    written = lib.filter (unit: unit != null) (
      map (f: plain.writtenBy (belowConfig f.target)) (lib.attrValues config.home.file)
    );
    execStart = unit: (serviceOf unit).Service.ExecStart or [ ];
    inherit (pkgs.stdenv.hostPlatform) isLinux;
    isEnabled = config.systemd.user.enable;
    backup =
      if osConfig ? home-manager then
        {
          command = osConfig.home-manager.backupCommand or null;
          extension = osConfig.home-manager.backupFileExtension;
          overwrite = osConfig.home-manager.overwriteBackup or false;
        }
      else
        null;
  };

  own = plain.ownUnits given;

  # overridable: a definition elsewhere replaces a single value, and is added to a list. It
  # replaces ExecStart too, which refusals.nix then refuses in its own words.
  overridable = lib.mapAttrs (
    _:
    lib.mapAttrs (
      key: value: if lib.isList value && key != "ExecStart" then value else lib.mkDefault value
    )
  );

  wantsStamp =
    name:
    cfg.enable
    && (own ? ${name} || (if lib.isBool cfg.stamp then cfg.stamp else lib.elem name cfg.stamp));

  # stampEach extends the type of a kind of units, so that each unit gets a stamp
  # made from its final declaration, whichever modules contributed to it.
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

  # At stage observe nothing is switched on. services.podman and quadlet-nix declare a
  # timer of this name, with its link.
  autoUpdated =
    lib.any (s: s.autoUpdate && plain.reached "reconcile" s.stage) (lib.attrValues cfg.stacks)
    && !(config.systemd.user.timers ? podman-auto-update);
  updateTimer = "podman-auto-update.timer";
  podmanDropIn = "systemd/user/podman.service.d/10-stackpolicy.conf";
  updateLink = "systemd/user/timers.target.wants/${updateTimer}";

  # isForced: of podman's timer, only the link belongs to the module.
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

    # Each file has a force of its own: units, their links and their drop-ins. Some
    # modules, services.podman for one, write units by home.file.
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
    home.file = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule (
          { config, ... }:
          {
            config.force = lib.mkIf (isForced (belowConfig config.target)) (lib.mkDefault true);
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

    warnings = plain.warnings given host;

    home.packages = [ cfg.package ];

    xdg.configFile = {
      "stackpolicy/config.yaml".source = files.config given;
      # Without it podman logs each request that an audit makes, dozens of them.
      ${podmanDropIn} = {
        force = lib.mkDefault true; # of stackpolicy init
        text = lib.mkDefault ''
          [Service]
          Environment=LOGGING=--log-level=warn
        '';
      };
    }
    // files.localFacts given
    // lib.optionalAttrs autoUpdated {
      ${updateLink}.source = "${cfg.podman}/share/systemd/user/${updateTimer}";
    };

    systemd.user = plain.byKind (lib.mapAttrs (_: overridable) own) // {
      servicesStartTimeoutMs = lib.mkIf (plain.stacksAt "verified-apply" cfg != { }) (
        lib.mkDefault plain.jobTimeoutMs
      );
    };
  };
}
