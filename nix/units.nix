# The units of the stacks, and the shipped units adapted to this configuration.
{
  text,
  stages,
  timeouts,
}:
rec {
  # pathLine sets PATH: without it user units of Home Manager find neither podman nor
  # the compose provider. The wrappers come first, because rootless podman needs
  # newuidmap. Podman is the host's, because two versions must not share one storage.
  pathLine =
    packages:
    "PATH="
    + builtins.concatStringsSep ":" (
      [ "/run/wrappers/bin" ]
      ++ map (package: "${package}/bin") packages
      ++ [
        "/run/current-system/sw/bin"
        "/usr/local/bin"
        "/usr/bin"
        "/bin"
      ]
    );

  # stackUnits returns, by name, the units of the stacks that are applied and verified.
  stackUnits =
    o:
    let
      verified = stages.stacksAt "verified-apply" o;
    in
    builtins.listToAttrs (
      map (name: {
        name = verified.${name}.unit;
        value = stackUnit o name verified.${name};
      }) (builtins.attrNames verified)
    );

  # stackUnit returns a unit whose restart is a transaction. If something changes that
  # the containers depend on, the unit's text changes, so the activation restarts it.
  # A start that fails is tried again a few times: at boot, what it needs may become
  # available later. A start that the manager stops (exit status 24) has not failed.
  # docs/stackctl.md gives the reasons.
  stackUnit =
    o: name: s:
    {
      Unit = {
        Description = "Stack ${name}";
        StartLimitIntervalSec = "10min";
        StartLimitBurst = 6;
        After = providers ++ s.after;
        X-SwitchMethod = "restart";
        X-Restart-Triggers = [ (builtins.hashString "sha256" (builtins.toJSON (appliedBy s))) ];
      };
      Service = {
        Type = "oneshot";
        RemainAfterExit = "yes";
        NotifyAccess = "exec";
        TimeoutStartSec = timeouts.startSeconds s;
        Environment = [ (pathLine o.path) ];
        ExecStartPre = [ "${o.package}/bin/stackctl preflight ${name}" ];
        ExecStart = [ (applying o name) ];
        ExecStartPost = [ "${o.package}/bin/stackctl verify ${name}" ];
        ExecStop = [ "${o.package}/bin/stackctl down ${name}" ];
        TimeoutStopSec = text.seconds s.stopTimeout;
        Restart = "on-failure";
        RestartSec = 30;
        SuccessExitStatus = 24;
      };
      Install.WantedBy = s.wantedBy;
    };

  # applying is the command that applies a stack.
  applying = o: name: "${o.package}/bin/stackctl apply ${name}";

  # providers are user units that write secrets, of the Home Manager modules of sops-nix
  # and agenix, and podman's wait for the network. At boot a stack that starts beside
  # them would not find what they provide. The order has no effect where a unit does not
  # exist, or is not started.
  providers = [
    "sops-nix.service"
    "agenix.service"
    "podman-user-wait-network-online.service"
  ];

  appliedBy = s: {
    inherit (s) project provider;
    compose = map (path: "${path}") s.compose;
    envFiles = map (f: "${f.path}") s.envFiles;
  };

  # auditUnits returns the shipped units by name, read from ../units.
  auditUnits =
    o:
    let
      wanted = builtins.filter (
        name:
        (o.report || builtins.match "stackpolicy-report.*" name == null) && !(builtins.elem name (unused o))
      ) shipped;
    in
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = adapt o name (text.parseUnit (builtins.readFile (../units + "/${name}")));
      }) wanted
    );

  # unused returns the units that do not audit here: the watch runs instead of the units
  # that start an audit by time and after a change. The audit's service stays, because
  # others may start it.
  unused = o: if o.watch then timed else [ "stackpolicy-watch.service" ];

  timed = [
    "stackpolicy-audit-change.service"
    "stackpolicy-audit-subfolders.path"
    "stackpolicy-audit.path"
    "stackpolicy-audit.timer"
  ];

  shipped = [
    "stackpolicy-alerts.service"
    "stackpolicy-audit-change.service"
    "stackpolicy-audit-subfolders.path"
    "stackpolicy-audit.path"
    "stackpolicy-audit.service"
    "stackpolicy-audit.timer"
    "stackpolicy-report.service"
    "stackpolicy-report.timer"
    "stackpolicy-watch.service"
  ];

  adapt =
    o: name: unit:
    if unit ? Service then
      adaptService o name unit
    else if unit ? Path then
      unit // { Path = unit.Path // { PathChanged = watched o name unit.Path.PathChanged; }; }
    else
      unit;

  # adaptService: an activation does not restart a service that runs, because an audit
  # must not be killed in the middle of a heal. The next start uses the new definition.
  # The watch has no next start: with another definition, or program, it is restarted.
  adaptService =
    o: name: unit:
    unit
    // {
      Unit = unit.Unit // {
        X-SwitchMethod = if name == "stackpolicy-watch.service" then "restart" else "keep-old";
      };
      Service =
        unit.Service
        // {
          Environment = text.toList (unit.Service.Environment or [ ]) ++ [ (pathLine o.path) ];
          ExecStart = map (installed o) (text.toList unit.Service.ExecStart);
        }
        // (if name == "stackpolicy-alerts.service" then credentials o else { })
        // (
          if
            builtins.elem name [
              "stackpolicy-audit.service"
              "stackpolicy-watch.service"
            ]
          then
            probing o
          else
            { }
        );
    };

  installed =
    o:
    builtins.replaceStrings [ "%h/.local/bin/stackpolicy" ] [ "${o.package}/bin/stackpolicy" ];

  credentials =
    o:
    if o.credentials == { } then
      { }
    else
      {
        LoadCredential = map (name: "${name}:${inUnit o.credentials.${name}}") (
          builtins.attrNames o.credentials
        );
      };

  # inUnit writes agenix's path of a secret, which has a variable of the shell, in the
  # words of a unit.
  inUnit = path: builtins.replaceStrings [ "\${XDG_RUNTIME_DIR}" ] [ "%t" ] "${path}";

  # probing: the audit and the watch open network sockets only if there is something to probe.
  probing =
    o:
    if builtins.any (s: s.probes != [ ]) (builtins.attrValues o.stacks) then
      { RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6"; }
    else
      { };

  # watched: each stack's folder of drop-ins needs a line of its own, and the state
  # folder may be elsewhere.
  watched =
    o: name: folders:
    if name == "stackpolicy-audit-subfolders.path" then
      folders ++ map (s: "%E/systemd/user/${o.stacks.${s}.unit}.d") (builtins.attrNames o.stacks)
    else
      map (builtins.replaceStrings [ "%h/.local/state" ] [ o.stateHome ]) folders;

  # ownUnits returns all units that the module itself declares.
  ownUnits = o: auditUnits o // stackUnits o;

  # forced returns the units whose files an activation may write over other files.
  # These include units of stacks that are declared elsewhere in the configuration: a
  # stack that is named here belongs to Home Manager.
  forced =
    o:
    (if stages.reached "heal-artifacts" o.stage then builtins.attrNames (auditUnits o) else [ ])
    ++ map (name: o.stacks.${name}.unit) (builtins.attrNames (stages.stacksAt "heal-artifacts" o));
}
