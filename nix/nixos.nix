# The NixOS module: gives every user of Home Manager the option services.stackpolicy, and
# the accounts that enable it what Home Manager cannot provide: linger, and a reaction to
# an activation that failed. What it says of the fleet holds for all homes of the machine.
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

  defaults = import ./account-defaults.nix;

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
  options.services.stackpolicy = import ./system-options.nix { inherit lib; };

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
    home-manager.sharedModules = [
      ./home-manager.nix
      { services.stackpolicy.fleet = plain.fleet lib.mkDefault cfg.fleet; }
    ];
  };
}
