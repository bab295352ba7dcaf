# The NixOS module: what an account's stacks need from the system and Home Manager
# cannot provide: linger, and a reaction to an activation that failed.
{
  config,
  lib,
  utils,
  ...
}:
let
  cfg = config.services.stackpolicy;
  plain = import ./system.nix;

  activation = user: "home-manager-${utils.escapeSystemdPath user}";

  user = {
    options = {
      linger = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether the account's user manager, and with it the stacks, runs without a login.";
      };
      auditFailedActivation = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether a failed activation starts the account's audit at once, which reports it.";
      };
      onFailure = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        example = [ "notify-me.service" ];
        description = "Further system units to start when an activation fails.";
      };
    };
  };

  accounts = lib.mapAttrsToList (name: u: u // { inherit name; unit = activation name; }) cfg.users;
in
{
  options.services.stackpolicy.users = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule user);
    default = { };
    description = "Accounts whose user units run container stacks, by name.";
  };

  config = lib.mkIf (cfg.users != { }) {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (lib.concatMap (plain.refusals config) accounts);

    users.users = lib.listToAttrs (
      map (u: lib.nameValuePair u.name { linger = lib.mkIf u.linger true; }) accounts
    );

    systemd.services = lib.mkMerge (map (plain.services config) accounts);
  };
}
