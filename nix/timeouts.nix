# How long a start may take. Three things bound it: the timeouts of apply and verify,
# TimeoutStartSec= of the unit, and how long an activation waits.
{ text }:
rec {
  # Seconds that apply and verify may need beyond their timeouts: to stop the
  # provider, and to read logs (docs/stackctl.md).
  margin = 60;

  # An activation may need so many seconds besides the units that it starts.
  spare = 30;

  # On NixOS, Home Manager's activation service ends after so many seconds
  # (nixos/default.nix of Home Manager).
  activation = 300;

  # sd-switch waits so long for a unit if Home Manager does not pass a time to it: that
  # is if systemd.user.servicesStartTimeoutMs is 0, its default.
  unasked = 120;

  # The module sets this, in milliseconds.
  jobTimeoutMs = activation * 1000;

  # jobSeconds returns how long sd-switch waits for a unit.
  jobSeconds = host: if host.jobTimeoutMs == 0 then unasked else host.jobTimeoutMs / 1000;

  # maxStart returns how many seconds the start of a stack may take on a host. Where
  # sd-switch waits less than five minutes, the configuration is refused anyway.
  maxStart =
    host:
    (if host.isNixOS || jobSeconds host < activation then activation else jobSeconds host) - spare;

  tries = s: if s.onFailure == "rollback" then 2 else 1;

  # takes returns how many seconds a start may take: all commands together.
  takes = s: tries s * (text.seconds s.apply.timeout + text.seconds s.verify.timeout) + margin;

  # longest returns how many seconds one command of a start may take: TimeoutStartSec=
  # holds for each command alone. A rollback is part of the command that failed.
  longest =
    s:
    let
      apply = text.seconds s.apply.timeout;
      verify = text.seconds s.verify.timeout;
    in
    if tries s == 2 then takes s else margin + (if apply > verify then apply else verify);

  # startSeconds returns TimeoutStartSec= of a stack's unit.
  startSeconds = s: if s.startTimeout == null then takes s else text.seconds s.startTimeout;
}
