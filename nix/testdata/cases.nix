# Option values, as the modules pass them to the plain functions, and the results. The
# tests compare each attribute with golden/NAME.json.
let
  plain = import ../lib.nix;
  system = import ../system.nix;

  options = {
    package = "/nix/store/0-stackpolicy";
    path = [ "/nix/store/0-podman-compose" ];
    stateHome = "/home/ada/.local/state";
    stage = "observe";
    mode = null;
    units = [ ];
    stamp = false;
    watch = false;
    report = true;
    credentials = { };
    holds = [ ];
    waivers = [ ];
    stacks = { };
    fleet = {
      channel = null;
      labels = { };
      registry = null;
    };
    alerts = {
      journal = {
        severity = null;
        repeat = null;
      };
      textfile = null;
      alertmanager = null;
      webhooks = { };
    };
    settings = {
      restart = [ ];
      trustDistributionDropins = null;
      grace = { };
      budget = { };
      breaker = { };
      repeat = { };
      settle = null;
      storage = {
        freeMb = null;
        freeInodes = null;
      };
      decide = [ ];
    };
  };

  stack = name: stage: {
    inherit stage;
    unit = "${name}.service";
    project = name;
    compose = [ "/home/ada/${name}/compose.yaml" ];
    envFiles = [ ];
    secrets = [ ];
    registries = false;
    onFailure = "keep";
    provider = [ ];
    probes = [ ];
    apply.timeout = "2m";
    verify = {
      timeout = "60s";
      settle = null;
      healthy = true;
    };
    startTimeout = null;
    after = [ ];
    stopTimeout = "2m";
    wantedBy = [ "default.target" ];
    autoUpdate = false;
    restart = false;
  };

  at =
    stage:
    options
    // {
      inherit stage;
      stacks.web = stack "web" stage // {
        restart = true;
      };
    };

  full = at "verified-apply" // {
    units = [ "homelab-*.service" ];
    credentials.ntfy = "/run/secrets/ntfy";
    holds = [
      {
        unit = "web.service";
        reason = "new disk";
        owner = "ada";
        until = "2026-12-24T18:00:00Z";
      }
    ];
    waivers = [
      {
        invariant = "verify_gate_present";
        units = [ "lab-*.service" ];
        reason = "a \"quoted\" reason: #1";
        owner = "ada";
        until = "2026-12-24T18:00:00Z";
      }
    ];
    settings = options.settings // {
      grace.loaded_is_current = "30m";
      decide = [
        {
          invariant = "loaded_is_current";
          units = [ "db.service" ];
          effect = "block";
          severity = null;
        }
      ];
      budget = {
        unit = 5;
        host = null;
        window = "24h";
      };
      trustDistributionDropins = false;
      storage = {
        freeMb = 500;
        freeInodes = null;
      };
    };
    alerts = options.alerts // {
      webhooks.phone = {
        url = "https://ntfy.sh";
        token.credential = "ntfy";
        headers = { };
        body = "{\"title\": {{json .Title}}}\n";
      };
    };
    fleet = {
      channel = "stable";
      labels = {
        role = "canary";
        rack = "3";
        spare = "true";
      };
      registry = "registry.example.org/rules/home";
    };
    stacks.web = (at "verified-apply").stacks.web // {
      secrets = [
        {
          path = "/run/secrets/web";
          mode = "0640";
          owner = null;
        }
      ];
      probes = [
        {
          http = "http://127.0.0.1:8080/health";
          tcp = null;
          status = 204;
          within = "5s";
        }
        {
          http = null;
          tcp = "127.0.0.1:5432";
          status = null;
          within = null;
        }
      ];
    };
    stacks.lab = stack "lab" "observe";
  };

  host = {
    startServices = true;
    jobTimeoutMs = 300000;
    isNixOS = true;
    backup = null;
    storeDir = "/nix/store";
    declared = [ "web.service" ];
    written = [ ];
    isLinux = true;
    isEnabled = true;
    execStart = _: [ "/nix/store/0-stackpolicy/bin/stackctl apply web" ];
  };

  # The result of each stage: the mode, the settings, the units that the module declares,
  # and those whose files are forced.
  made = o: {
    configuration = plain.yaml (plain.configuration o null);
    settings = plain.settings o;
    units = builtins.attrNames (plain.ownUnits o);
    forced = plain.forced o;
    refused = plain.refusals o host;
  };

  web = changes: options // { stage = "verified-apply"; stacks.web = stack "web" "verified-apply" // changes; };

  system' =
    changes:
    {
      systemd.package = "/nix/store/0-systemd";
      users.manageLingering = true;
      users.users.ada.linger = true;
      home-manager.users.ada = { };
    }
    // changes;

  account = {
    name = "ada";
    login = "ada";
    unit = "home-manager-ada";
    auditFailedActivation = true;
    onFailure = [ "notify-me.service" ];
  };
in
{
  stages = builtins.listToAttrs (
    map (stage: {
      name = stage;
      value = made (at stage);
    }) plain.stages
  );

  full = {
    configuration = plain.yaml (plain.configuration full "/nix/store/0-policies");
    settings = plain.yaml { settings = plain.settings full; };
    stack = (plain.ownUnits full)."web.service";
    sockets = (plain.ownUnits full)."stackpolicy-audit.service".Service.RestrictAddressFamilies;
    refused = plain.refusals full host;
  };

  # Keys of settings.yaml itself, also such as no option has.
  own-keys = plain.yaml {
    settings = plain.settings (
      options
      // {
        settings = options.settings // {
          trust_distribution_dropins = true;
          storage = {
            freeMb = null;
            freeInodes = 7;
            free_mb = 5;
          };
          later = [ "a" ];
        };
      }
    );
  };

  audit-units = plain.auditUnits (at "reconcile" // { inherit (full) credentials; });

  # The watch, beside the same units without the timer and the path units.
  watch-units =
    let
      o = full // { watch = true; };
    in
    {
      names = builtins.attrNames (plain.auditUnits o);
      watch = (plain.auditUnits o)."stackpolicy-watch.service";
      forced = plain.forced o;
      refused = plain.refusals o host;
    };

  by-kind = builtins.mapAttrs (_: builtins.attrNames) (plain.byKind (plain.ownUnits full));

  artifacts = map (path: {
    inherit path;
    forced = plain.isArtifact [ "web.service" ] path;
  }) [
    "systemd/user/web.service"
    "systemd/user/default.target.wants/web.service"
    "systemd/user/a.target.requires/web.service"
    "systemd/user/web.service.d/10-local.conf"
    "systemd/user/web.service.wants/other.service"
    "systemd/user/other.service"
    "systemd/user/other.service.d/web.service"
    "systemd/user/service.d/10-all.conf"
    "systemd/user/default.target.wants/other.service"
    "stackpolicy/config.yaml"
    "web.service"
    "containers/systemd/web.container"
    "containers/systemd/sub/web.kube"
    "containers/systemd/web.container.d/10-local.conf"
    "containers/systemd/web.pod"
    "containers/systemd/web.network"
    "containers/systemd/other.container"
  ];

  durations = map plain.seconds [
    "90s"
    "4m"
    "1h30m"
    "08s"
    "0s"
  ];

  yaml = plain.yaml {
    "null" = "null";
    a-key = [
      [ 1 ]
      { b = true; }
      [ ]
    ];
    "with space" = "line\nbreak \"and\" quote: #";
    nothing = { };
  };

  # A stamp changes only if the unit changes.
  revisions =
    let
      unit = {
        Unit.Description = "web";
        Service.ExecStart = [ "/bin/true" ];
      };
      same = unit // {
        Unit = {
          Description = "web";
          Documentation = [ "https://example.org" ];
          X-Reload-Triggers = [ ];
        };
        Install = { };
      };
      other = unit // { Service.ExecStart = [ "/bin/false" ]; };
    in
    {
      stamp = plain.revision unit;
      kept = plain.revision same == plain.revision unit;
      changed = plain.revision other != plain.revision unit;
    };

  labels = plain.labelsIn ''
    labels:
      PODMAN_SYSTEMD_UNIT: web.service
      - "PODMAN_SYSTEMD_UNIT=podman-compose@web.service"
      # PODMAN_SYSTEMD_UNIT: commented.service
      PODMAN_SYSTEMD_UNIT: "''${UNIT}"
  '';

  # Each foot-gun, and its message.
  refusals = builtins.mapAttrs (
    _: c:
    plain.refusals c.options (host // (c.host or { })) ++ plain.warnings c.options (host // (c.host or { }))
  ) {
    none = {
      options = web { };
    };
    start-services = {
      options = web { };
      host.startServices = false;
    };
    backslash = {
      options = web { unit = "web\\x2dapp.service"; };
    };
    audit-unit = {
      options = web { unit = "stackpolicy-audit.service"; };
    };
    secret-in-store = {
      options = web { secrets = [ { path = "/nix/store/0-secrets/token"; } ]; };
    };
    secret-as-path = {
      options = web { secrets = [ { path = /home/ada/token; } ]; };
    };
    sink-in-store = {
      options = (web { }) // {
        alerts = options.alerts // {
          alertmanager = {
            url = "http://127.0.0.1:9093";
            token.file = "/nix/store/0-token";
          };
        };
      };
    };
    credential-in-store = {
      options = web { } // {
        credentials.ntfy = "/nix/store/0-ntfy";
      };
    };
    credential-not-loaded = {
      options = removeAttrs full [ "credentials" ] // {
        credentials = { };
      };
    };
    foreign-label = {
      options = web {
        autoUpdate = true;
        compose = [ ./labelled.yaml ];
      };
    };
    no-linux = {
      options = web { };
      host.isLinux = false;
    };
    no-systemd = {
      options = web { };
      host.isEnabled = false;
    };
    credential-with-colon = {
      options = web { } // {
        credentials."a:b" = "/run/secrets/a";
      };
    };
    stack-with-blank = {
      options = at "observe" // {
        stacks."my web" = stack "web" "observe";
      };
    };
    two-of-one-unit = {
      options = at "observe" // {
        stacks = {
          shop = stack "web" "observe" // {
            project = "shop";
          };
          web = stack "web" "observe";
        };
      };
    };
    two-of-one-project = {
      options = at "observe" // {
        stacks = {
          shop = stack "web" "observe" // {
            unit = "shop.service";
          };
          web = stack "web" "observe";
        };
      };
    };
    probe-of-both = {
      options = web {
        probes = [
          {
            http = "http://127.0.0.1";
            tcp = "127.0.0.1:80";
          }
        ];
      };
    };
    exec-start-replaced = {
      options = web { };
      host.execStart = _: [ "podman-compose up -d" ];
    };
    backup-command = {
      options = web { };
      host.backup = {
        extension = null;
        overwrite = false;
        command = "trash";
      };
    };
    backup-lost = {
      options = web { };
      host.backup = {
        extension = "bak";
        overwrite = false;
      };
    };
    backup-meant = {
      options = web { };
      host.backup = {
        extension = "bak";
        overwrite = true;
      };
    };
    backup-read-by-systemd = {
      options = at "observe";
      host.backup = {
        extension = "conf";
        overwrite = false;
      };
    };
    job-timeout-not-set = {
      options = web { };
      host.jobTimeoutMs = 0;
    };
    job-timeout-too-short = {
      options = web { };
      host.jobTimeoutMs = 60000;
    };
    job-timeout-of-no-matter = {
      options = at "heal-artifacts";
      host.jobTimeoutMs = 0;
    };
    start-timeout-too-long = {
      options = web { startTimeout = "5m"; };
    };
    start-timeout-long-without-nixos = {
      options = web {
        startTimeout = "10m";
        apply.timeout = "8m";
      };
      host = {
        isNixOS = false;
        jobTimeoutMs = 900000;
      };
    };
    start-timeout-too-short = {
      options = web { startTimeout = "2m"; };
    };
    start-timeout-of-one-command = {
      options = web { startTimeout = "3m"; };
    };
    too-long-for-an-activation = {
      options = web { apply.timeout = "5m"; };
    };
    too-long-for-sd-switch = {
      options = web { apply.timeout = "5m"; };
      host.isNixOS = false;
    };
    too-long-to-roll-back = {
      options = web { onFailure = "rollback"; };
    };
    just-short-enough = {
      options = web {
        verify = {
          timeout = "90s";
          settle = null;
          healthy = true;
        };
      };
    };
    no-compose = {
      options = web { compose = [ ]; };
    };
    declared-twice = {
      options = web { };
      host.execStart = _: [
        "podman-compose up -d"
        "stackctl apply web"
      ];
    };
    quadlet-to-heal = {
      options = at "heal-artifacts";
      host = {
        declared = [ ];
        written = [ "web.service" ];
      };
    };
    nothing-to-heal = {
      options = at "heal-artifacts";
      host.declared = [ ];
    };
    stamp-misspelt = {
      options = web { } // {
        stamp = [ "wbe.service" ];
      };
    };
    watch-beside-timer = {
      options = web { } // {
        watch = true;
      };
      host.declared = [
        "web.service"
        "stackpolicy-audit.timer"
      ];
    };
    watch-of-no-use = {
      options = web { };
      host.declared = [
        "web.service"
        "stackpolicy-watch.service"
      ];
    };
    member-without-releases = {
      options = web { } // {
        fleet = options.fleet // {
          labels.role = "canary";
        };
      };
    };
    label-with-blank = {
      options = web { } // {
        fleet = options.fleet // {
          labels."my role" = "canary";
        };
      };
    };
    too-many-labels = {
      options = web { } // {
        fleet = options.fleet // {
          labels = builtins.listToAttrs (
            builtins.genList (n: {
              name = "label${toString n}";
              value = "a";
            }) 21
          );
        };
      };
    };
    registry-without-channel = {
      options = web { } // {
        fleet = options.fleet // {
          registry = "registry.example.org/rules/home";
        };
      };
    };
    observe-but-enforce = {
      options = at "observe" // {
        mode = "enforce";
      };
    };
  };

  system = {
    fleet = system.fleet (value: { default = value; }) full.fleet;
    services = system.services (system' { }) account;
    own-lingering = system.services (system' {
      users = {
        manageLingering = false;
        users.ada.linger = true;
      };
    }) (account // { auditFailedActivation = false; });
    refused = system.refusals (system' { }) account;
    no-user = system.refusals (system' { home-manager.users = { }; }) account;
    no-home-manager = system.refusals (removeAttrs (system' { }) [ "home-manager" ]) account;
    user-service = system.refusals (system' {
      home-manager = {
        users.ada = { };
        startAsUserService = true;
      };
    }) account;
  };
}
