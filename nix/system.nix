# What the NixOS module adds to the system, as plain functions of the system's
# configuration and an account. They use only builtins.
rec {
  # services returns system services by name, for an account:
  #   name                   the account's attribute in users.users and home-manager.users
  #   login                  its name
  #   unit                   its activation service, without .service
  #   auditFailedActivation  whether a failed activation starts its audit
  #   onFailure              further units to start then
  services =
    config: u:
    lingering config u
    // {
      ${u.unit}.onFailure = (if u.auditFailedActivation then [ "${failed u}.service" ] else [ ]) ++ u.onFailure;
    }
    // (if u.auditFailedActivation then { ${failed u} = audit config u; } else { });

  failed = u: "stackpolicy-failed-${u.unit}";

  # lingering: the manager of an account starts as soon as its linger flag exists. At
  # boot that must not happen before the activation has made its links: otherwise the
  # manager starts without the stacks, and the activation skips its reload. If the
  # operator manages the flags, there is no linger-users.service.
  lingering =
    config: u:
    if (config.users.users.${u.name}.linger or null) == true && (config.users.manageLingering or true) then
      { linger-users.after = [ "${u.unit}.service" ]; }
    else
      { };

  # audit asks the account's manager to start an audit, and does not wait for it. It
  # does not fail if no manager runs: the manager audits after its start.
  audit = config: u: {
    description = "Start an audit of the user units of ${u.login} after a failed activation";
    serviceConfig = {
      Type = "oneshot";
      User = u.login;
      TimeoutStartSec = "30s";
    };
    script = ''
      export XDG_RUNTIME_DIR="/run/user/$(id -u)"
      if [ -S "$XDG_RUNTIME_DIR/systemd/private" ]; then
        exec ${config.systemd.package}/bin/systemctl --user --no-block start stackpolicy-audit.service
      fi
    '';
  };

  # fleet returns what the system says of the fleet as the defaults of a home. A home may
  # replace each one, a single label too.
  fleet = mkDefault: f: {
    channel = mkDefault f.channel;
    labels = builtins.mapAttrs (_: mkDefault) f.labels;
    registry = mkDefault f.registry;
  };

  refusals =
    config: u:
    let
      ofHomeManager = config.home-manager.users or { };
    in
    unless (config ? home-manager) ''
      services.stackpolicy.users.${u.name}: this configuration has no Home Manager, whose activations are watched.
      Write: imports = [ home-manager.nixosModules.home-manager ]; with Home Manager's flake.''
    ++ unless (!(config ? home-manager) || ofHomeManager ? ${u.name}) ''
      services.stackpolicy.users.${u.name}: Home Manager's NixOS module has no such user, so there is no activation to watch.
      Write: home-manager.users.${u.name} = { services.stackpolicy.enable = true; … };''
    ++ unless (!(config.home-manager.startAsUserService or false)) ''
      services.stackpolicy.users.${u.name}: home-manager.startAsUserService activates in the account's own manager, where no
      system unit watches it. Leave it out, or leave this account out.'';

  unless = holds: message: if holds then [ ] else [ message ];
}
