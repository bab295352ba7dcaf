# The NixOS module: gives every user of Home Manager the option services.stackpolicy, and
# the accounts that enable it what Home Manager cannot provide: linger, and a reaction to
# an activation that failed.
{
  config,
  lib,
  options,
  utils,
  ...
}:
let
  cfg = config.services.stackpolicy;
  plain = import ./system.nix;

  defaults = {
    linger = true;
    auditFailedActivation = true;
    onFailure = [ ];
  };

  user = {
    options = {
      linger = lib.mkOption {
        type = lib.types.bool;
        default = defaults.linger;
        description = "Whether the account's user manager, and with it the stacks, runs without a login.";
      };
      auditFailedActivation = lib.mkOption {
        type = lib.types.bool;
        default = defaults.auditFailedActivation;
        description = "Whether a failed activation starts the account's audit at once, which reports it.";
      };
      onFailure = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = defaults.onFailure;
        example = [ "notify-me.service" ];
        description = "Further system units to start when an activation fails.";
      };
    };
  };

  homes = config.home-manager.users or { };

  # isWatched: the names of accounts must not depend on it, because what a home is depends
  # on users.users.
  isWatched = name: cfg.users ? ${name} || homes.${name}.services.stackpolicy.enable;

  accounts = map (
    name:
    (cfg.users.${name} or defaults)
    // rec {
      inherit name;
      login = homes.${name}.home.username or name;
      unit = "home-manager-${utils.escapeSystemdPath login}";
    }
  ) (lib.attrNames (homes // cfg.users));
in
{
  options.services.stackpolicy.users = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule user);
    default = { };
    example.ada.onFailure = [ "notify-me.service" ];
    description = "Accounts whose user units run container stacks, by name, besides those whose home enables services.stackpolicy.";
  };

  config = {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (lib.concatMap (plain.refusals config) (lib.filter (u: isWatched u.name) accounts));

    users.users = lib.listToAttrs (
      map (
        u: lib.nameValuePair u.name { linger = lib.mkIf (isWatched u.name && u.linger) (lib.mkDefault true); }
      ) accounts
    );

    systemd.services = lib.mkMerge (
      map (u: lib.mkIf (isWatched u.name) (plain.services config u)) accounts
    );
  }
  // lib.optionalAttrs (options ? home-manager) {
    home-manager.sharedModules = [ ./home-manager.nix ];
  };
}
