# The option services.stackpolicy.users in NixOS.
{ lib }:
let
  defaults = import ./account-defaults.nix;

  account.options = {
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
in
lib.mkOption {
  type = lib.types.attrsOf (lib.types.submodule account);
  default = { };
  example.ada.onFailure = [ "notify-me.service" ];
  description = "Accounts whose user units run container stacks, by name, besides those whose home enables services.stackpolicy.";
}
