# Mistakes for which a configuration is refused before it is built. Each message
# says what to write instead. The options check their own types and enums; the
# build checks config.yaml and settings.yaml with the program.
{
  stages,
  timeouts,
  units,
}:
rec {
  # refusals lists what is wrong with option values `o` on a host:
  #   startServices  the final value of systemd.user.startServices
  #   jobTimeoutMs   that of systemd.user.servicesStartTimeoutMs
  #   isNixOS        whether Home Manager's NixOS module runs the activation
  #   isLinux        whether the packages are for Linux
  #   isEnabled      systemd.user.enable
  #   backup         { extension, overwrite, command } of Home Manager's NixOS module; null elsewhere
  #   storeDir       the Nix store
  #   declared       names of all units that systemd.user declares
  #   written        names of units that come as files of another kind, quadlets too
  #   execStart      function from a unit's name to its final ExecStart, a list
  refusals =
    o: host:
    builtins.concatLists (
      [
        (startServices host)
        (jobTimeout o host)
        (system host)
        (backup host)
        (mode o)
        (stamp o host)
        (unusedUnits o host)
        (builtins.concatMap credentialName (builtins.attrNames o.credentials))
        (inStore host "credentials" (builtins.attrNames o.credentials) (name: o.credentials.${name}))
        (sinkSecrets o host)
        (fleet o)
      ]
      ++ [
        (shared o "unit")
        (shared o "project")
      ]
      ++ map (name: stackRefusals o host name o.stacks.${name}) (builtins.attrNames o.stacks)
    );

  unless = holds: message: if holds then [ ] else [ message ];

  startServices =
    host:
    unless host.startServices ''
      systemd.user.startServices is off: an activation would leave changed stacks running as they were.
      Write: systemd.user.startServices = "sd-switch";'';

  system =
    host:
    unless host.isLinux ''
      services.stackpolicy audits units of systemd, which this platform does not have.
      Write: services.stackpolicy.enable = pkgs.stdenv.hostPlatform.isLinux;''
    ++ unless (host.isEnabled || !host.isLinux) ''
      systemd.user.enable is off: Home Manager would write none of the units.
      Write: systemd.user.enable = true; or services.stackpolicy.enable = false;'';

  # credentialName: LoadCredential= has a colon after the name, and the name becomes a
  # file's (credential_name_valid() of systemd).
  credentialName =
    name:
    unless (builtins.match "[A-Za-z0-9_@-][A-Za-z0-9_.@-]*" name != null) ''
      services.stackpolicy.credentials."${name}": systemd takes no such name of a credential.
      Write one of letters, digits, and any of _ . @ - only.'';

  # shared refuses two stacks of one unit or one project: their declarations would be
  # mixed.
  shared =
    o: key:
    let
      names = builtins.attrNames o.stacks;
      sameAs = name: builtins.filter (other: o.stacks.${other}.${key} == o.stacks.${name}.${key}) names;
    in
    builtins.concatMap (
      name:
      unless (builtins.head (sameAs name) == name) ''
        services.stackpolicy.stacks.${name}.${key} = "${o.stacks.${name}.${key}}" is that of stacks.${builtins.head (sameAs name)} already.
        Write another one: each stack has a unit and a project of its own.''
    ) names;

  # jobTimeout: sd-switch gives up a unit after this time, and then the activation fails
  # and starts none of the units that are left.
  jobTimeout =
    o: host:
    unless
      (
        stages.stacksAt "verified-apply" o == { }
        || timeouts.jobSeconds host * 1000 >= timeouts.jobTimeoutMs
      )
      ''
        systemd.user.servicesStartTimeoutMs = ${toString host.jobTimeoutMs}: an activation waits only ${
          toString (timeouts.jobSeconds host)
        } seconds for the start of a stack, and
        then fails half-way. Leave it out: services.stackpolicy sets ${toString timeouts.jobTimeoutMs}. Or write a longer time.'';

  mode =
    o:
    unless (o.stage != "observe" || o.mode != "enforce") ''
      services.stackpolicy: stage "observe" acts on nothing, so mode = "enforce" contradicts it.
      Write: stage = "reconcile"; and leave mode out.'';

  # fleet: the options check the values, but not the names of labels.
  fleet =
    o:
    let
      names = builtins.attrNames o.fleet.labels;
      at = "services.stackpolicy.fleet";
    in
    builtins.concatMap (
      name:
      unless (builtins.match "[A-Za-z0-9][A-Za-z0-9._-]{0,62}" name != null) ''
        ${at}.labels."${name}": this is no name of a label.
        Write one of letters, digits, dots, _ and -, as in: ${at}.labels.role = "canary";''
    ) names
    ++ unless (builtins.length names <= 20) ''
      ${at}.labels: an account has at most 20 labels, and these are ${toString (builtins.length names)}.
      Remove those that no stage of a release names.''
    ++ unless (o.fleet.registry == null || o.fleet.channel != null) ''
      ${at}.registry = "${o.fleet.registry}": without a channel no releases are taken, also not from a registry.
      Write: ${at}.channel = "stable"; with the channel's name, or leave the registry out.'';

  # backup: systemd would read a backup of such a name.
  backup =
    host:
    unless (host.backup == null || !(builtins.elem host.backup.extension readByManager)) ''
      home-manager.backupFileExtension = "${host.backup.extension}": systemd would read the backup of a unit file
      as a unit or a drop-in. Write: home-manager.backupFileExtension = "hm-backup";'';

  # warnings lists what is no mistake, but should be known: what happens to a file that stage
  # "heal-artifacts" replaces. Without overwriteBackup an older backup aborts the
  # activation unless the file is forced, and is overwritten if it is (measured).
  # no_blocking_backup watches the backups.
  warnings =
    o: host:
    if host.backup == null || !(stages.reached "heal-artifacts" (highest o)) then
      [ ]
    else if host.backup.command or null != null then
      [
        ''
          services.stackpolicy: home-manager.backupCommand runs on each file that stage "heal-artifacts" replaces.
          If the command fails, the activation ends half-way. Leave it out if those files are not needed.''
      ]
    else
      unless (host.backup.extension == null || host.backup.overwrite) ''
        services.stackpolicy: home-manager.backupFileExtension keeps a file that stage "heal-artifacts" replaces, as NAME.${host.backup.extension}.
        An older backup of that name is overwritten. To say that this is meant: home-manager.overwriteBackup = true;'';

  # Suffixes of files that systemd reads as units or, in a folder of drop-ins, as
  # drop-ins (systemd.unit(5)).
  readByManager = [
    "conf"
    "service"
    "socket"
    "target"
    "timer"
    "path"
    "slice"
    "mount"
    "automount"
  ];

  # highest returns the latest stage of all stacks and of the whole.
  highest =
    o:
    builtins.foldl' (
      high: name: if stages.reached high o.stacks.${name}.stage then o.stacks.${name}.stage else high
    ) o.stage (builtins.attrNames o.stacks);

  stamp =
    o: host:
    if builtins.isBool o.stamp then
      [ ]
    else
      builtins.concatMap (
        unit:
        unless (builtins.elem unit host.declared) ''
          services.stackpolicy.stamp: "${unit}" is not a unit that systemd.user declares in this configuration.
          Write the whole name, with its suffix, of one of: ${builtins.concatStringsSep ", " host.declared}''
      ) o.stamp;

  # unusedUnits refuses a part of a unit that the module leaves out: the whole of it would be
  # that part.
  unusedUnits =
    o: host:
    builtins.concatMap (
      unit:
      unless (!(builtins.elem unit host.declared)) ''
        systemd.user declares ${unit}, which services.stackpolicy leaves out while its watch is ${if o.watch then "on" else "off"}.
        Remove what the configuration says of that unit, or write: services.stackpolicy.watch = ${if o.watch then "false" else "true"};''
    ) (units.unused o);

  # inStore refuses secrets that would be in the Nix store, where everyone on the
  # machine can read them. A Nix path is copied there.
  inStore =
    host: option: names: pathOf:
    builtins.concatMap (
      name:
      let
        path = pathOf name;
        prefix = host.storeDir + "/";
        text = toString path;
        within = builtins.substring 0 (builtins.stringLength prefix) text == prefix;
      in
      unless (!(builtins.isPath path || within)) ''
        services.stackpolicy.${option}: the secret ${text} would be in the Nix store, where everyone can read it.
        Write its path on the host, as a string in quotes: "/run/secrets/NAME", or the path that sops-nix or agenix give it.''
    ) names;

  sinkSecrets =
    o: host:
    let
      manager = if o.alerts.alertmanager == null then [ ] else secretsOf o.alerts.alertmanager;
      hooks = builtins.concatMap (name: secretsOf o.alerts.webhooks.${name}) (
        builtins.attrNames o.alerts.webhooks
      );
    in
    inStore host "alerts" (manager ++ hooks) (path: path)
    ++ credentialNames o (credentialsOf o);

  # secretsOf returns the files that a sink's keys name.
  secretsOf = sink: namedBy "file" sink;

  namedBy =
    key: sink:
    builtins.filter (value: value != null) (
      map (name: if builtins.isAttrs (sink.${name} or null) then sink.${name}.${key} or null else null) [
        "password"
        "token"
        "url"
      ]
    );

  credentialsOf =
    o:
    builtins.concatMap (sink: namedBy "credential" sink) (
      builtins.attrValues o.alerts.webhooks
      ++ (if o.alerts.alertmanager == null then [ ] else [ o.alerts.alertmanager ])
    );

  credentialNames =
    o: names:
    builtins.concatMap (
      name:
      unless (o.credentials ? ${name}) ''
        services.stackpolicy.alerts: the credential "${name}" is not declared.
        Write: services.stackpolicy.credentials.${name} = "/run/secrets/NAME";''
    ) names;

  stackRefusals =
    o: host: name: s:
    let
      at = "services.stackpolicy.stacks.${name}";
      forced = stages.reached "heal-artifacts" s.stage;
      verified = stages.reached "verified-apply" s.stage;
    in
    builtins.concatLists [
      (stackName name)
      (builtins.concatMap (probe at) s.probes)
      (unless (plainName s.unit || !forced) (nameMessage at s.unit))
      (unless (builtins.match "stackpolicy-.*" s.unit == null) ''
        ${at}.unit = "${s.unit}": names with this prefix are reserved for the audit's units.
        Write: ${at}.unit = "NAME.service"; with another one.'')
      (unless (verified || builtins.elem s.unit (host.declared ++ host.written) || !forced) (absentMessage at s))
      (if verified then verifiedRefusals o host name at s else [ ])
      (inStore host "stacks.${name}.secrets" s.secrets (f: f.path))
      (if s.autoUpdate then labelRefusals at s else [ ])
    ];

  stackName =
    name:
    unless (builtins.match "[A-Za-z0-9][A-Za-z0-9_.@-]{0,199}" name != null) ''
      services.stackpolicy.stacks."${name}": the name becomes a file's.
      Write one of letters, digits, and any of _ . @ - that begins with a letter or a digit.'';

  probe =
    at: p:
    unless ((p.http == null) != (p.tcp == null)) ''
      ${at}.probes: a probe has one of http and tcp.
      Write: { http = "http://127.0.0.1:8080/health"; } or { tcp = "127.0.0.1:5432"; }'';

  # plainName: Home Manager uses force as an unquoted prefix of a shell pattern, which
  # does not match a backslash in a unit's name (check-link-targets.sh of Home Manager).
  plainName = unit: builtins.match "[A-Za-z0-9:_.@-]+\\.service" unit != null;

  nameMessage = at: unit: ''
    ${at}.unit = "${unit}": Home Manager's force cannot match a name with a backslash, so a file in the way of this unit
    would abort every activation. Name the service with letters, digits and : _ . @ - only; a - needs no \x2d.'';

  absentMessage = at: s: ''
    ${at}: Home Manager declares no ${s.unit}, so an activation could not restore it.
    Write: ${at}.unit = "NAME.service"; with the unit's name, or ${at}.stage = "verified-apply"; so that the module declares it.'';

  verifiedRefusals =
    o: host: name: at: s:
    let
      inherit (timeouts) takes longest tries;
      may = timeouts.startSeconds s;
      most = timeouts.maxStart host;
    in
    unless (s.compose != [ ]) ''
      ${at}: without a compose file there is nothing to apply.
      Write: ${at}.compose = [ "/absolute/path/compose.yaml" ];''
    ++ unless (takes s <= most) ''
      ${at}: apply.timeout (${s.apply.timeout}), verify.timeout (${s.verify.timeout}) and a minute besides${
        if tries s == 2 then ", the first two twice because of onFailure," else ""
      } are ${toString (takes s)} seconds, and
      ${waits host}. Write shorter ones, together at most "${toString ((most - timeouts.margin) / tries s)}s"
      (stackctl prefetch fetches images before a switch).''
    ++ unless (s.startTimeout == null || may <= most) ''
      ${at}.startTimeout = "${s.startTimeout}": ${waits host}.
      Leave it out, or write at most "${toString most}s".''
    ++ unless (s.startTimeout == null || longest s <= may) ''
      ${at}.startTimeout = "${s.startTimeout}": one command of the start may take ${toString (longest s)} seconds, by apply.timeout and
      verify.timeout. Leave it out, or write at least "${toString (longest s)}s".''
    ++ unless (host.execStart s.unit == [ (units.applying o name) ]) ''
      ${at}: ${s.unit} is declared elsewhere in this configuration too: its ExecStart= would be ${
        builtins.concatStringsSep ", then " (map toString (host.execStart s.unit))
      }.
      Remove systemd.user.services.${serviceKey s.unit}.Service.ExecStart there, or write: ${at}.stage = "heal-artifacts";'';

  # serviceKey returns the attribute of systemd.user.services.
  serviceKey = unit: builtins.toJSON (builtins.head (builtins.match "(.+)\\.service" unit));

  # waits says how long an activation waits for a stack.
  waits =
    host:
    if host.isNixOS then
      "Home Manager's activation on NixOS ends after ${toString timeouts.activation} seconds, half-way"
    else
      "an activation waits for a unit at most ${toString (timeouts.jobSeconds host)} seconds, by systemd.user.servicesStartTimeoutMs";

  # labelRefusals: podman's auto-update restarts the unit that the label names. Only
  # compose files that are Nix paths can be read here; the preflight checks others.
  labelRefusals =
    at: s:
    let
      files = builtins.filter builtins.isPath s.compose;
      labels = builtins.concatMap (file: labelsIn (builtins.readFile file)) files;
      wrong = builtins.filter (label: label != s.unit) labels;
    in
    unless (wrong == [ ]) ''
      ${at}: an auto-updated service has the label PODMAN_SYSTEMD_UNIT=${builtins.concatStringsSep ", " wrong}, so podman would
      restart that instead of ${s.unit}. Remove the label from the compose file: stackctl sets it.'';

  # labelsIn returns the units that a compose file's labels name.
  labelsIn =
    content:
    let
      lines = builtins.filter builtins.isString (builtins.split "\n" content);
      names = map (builtins.match "[^#]*PODMAN_SYSTEMD_UNIT[\"']? *[:=] *[\"']?([A-Za-z0-9:_.@\\-]+).*") lines;
    in
    map builtins.head (builtins.filter (name: name != null) names);
}
