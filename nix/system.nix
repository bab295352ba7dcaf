# What the NixOS module adds to the system, as plain functions of the system's
# configuration and an account. Builtins only.
rec {
  # services are system services by name, for an account:
  #   name                   the account
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

  # lingering: the manager of an account that lingers starts as soon as the flag
  # stands. At boot it must not before the links do, or it starts without the
  # stacks, and the activation skips its reload. There is no linger-users where
  # the operator manages the flags.
  lingering =
    config: u:
    if (config.users.users.${u.name}.linger or null) == true && (config.users.manageLingering or true) then
      { linger-users.after = [ "${u.unit}.service" ]; }
    else
      { };

  # audit asks the account's manager for an audit, and does not wait for it. No
  # manager is no failure: the audit follows its start.
  audit = config: u: {
    description = "Have the user units of ${u.name} audited after a failed activation";
    serviceConfig = {
      Type = "oneshot";
      User = u.name;
      TimeoutStartSec = "30s";
    };
    script = ''
      export XDG_RUNTIME_DIR="/run/user/$(id -u)"
      if [ -S "$XDG_RUNTIME_DIR/systemd/private" ]; then
        exec ${config.systemd.package}/bin/systemctl --user --no-block start stackpolicy-audit.service
      fi
    '';
  };

  refusals =
    config: u:
    let
      ofHomeManager = config.home-manager.users or { };
    in
    unless (ofHomeManager ? ${u.name}) ''
      services.stackpolicy.users.${u.name}: Home Manager's NixOS module has no such user, so there is no activation to watch.
      Write: home-manager.users.${u.name} = { services.stackpolicy.enable = true; … };''
    ++ unless (!(config.home-manager.startAsUserService or false)) ''
      services.stackpolicy.users.${u.name}: home-manager.startAsUserService activates in the account's own manager, where no
      system unit watches it. Leave it out, or leave this account out.'';

  unless = holds: message: if holds then [ ] else [ message ];
}
