# Mistakes for which a configuration is refused before it is built. Each message
# says what to write instead. The options check their own types and enums; the
# build checks config.yaml and settings.yaml with the program.
{ stages, timeouts }:
rec {
  # refusals lists what is wrong with option values `o` on a host:
  #   startServices  the final value of systemd.user.startServices
  #   jobTimeoutMs   that of systemd.user.servicesStartTimeoutMs
  #   isNixOS        whether Home Manager's NixOS module runs the activation
  #   backup         { extension, overwrite } of Home Manager's NixOS module; null elsewhere
  #   storeDir       the Nix store
  #   declared       names of all units that Home Manager declares
  #   execStart      function from a unit's name to its final ExecStart, a list
  refusals =
    o: host:
    builtins.concatLists (
      [
        (startServices host)
        (jobTimeout o host)
        (backup o host)
        (mode o)
        (stamp o host)
        (inStore host "credentials" (builtins.attrNames o.credentials) (name: o.credentials.${name}))
        (sinkSecrets o host)
      ]
      ++ map (name: stackRefusals o host name o.stacks.${name}) (builtins.attrNames o.stacks)
    );

  unless = holds: message: if holds then [ ] else [ message ];

  startServices =
    host:
    unless host.startServices ''
      systemd.user.startServices is off: an activation would leave changed stacks running as they were.
      Write: systemd.user.startServices = "sd-switch";'';

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

  # backup: with overwriteBackup an older backup is overwritten silently; without it,
  # an older backup aborts the activation (measured).
  backup =
    o: host:
    if host.backup == null || host.backup.extension == null then
      [ ]
    else
      unless (!(builtins.elem host.backup.extension readByManager)) ''
        home-manager.backupFileExtension = "${host.backup.extension}": systemd would read the backup of a unit file
        as a unit or a drop-in. Write: home-manager.backupFileExtension = "hm-backup";''
      ++ unless (!(stages.reached "heal-artifacts" (highest o)) || host.backup.overwrite) ''
        home-manager.backupFileExtension makes backups of the files that stage "heal-artifacts" replaces, and an older
        one of the same name is overwritten silently. Write: home-manager.overwriteBackup = true; if that is acceptable,
        otherwise leave backupFileExtension out.'';

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
      (unless (plainName s.unit || !forced) (nameMessage at s.unit))
      (unless (builtins.match "stackpolicy-.*" s.unit == null) ''
        ${at}.unit = "${s.unit}": names with this prefix are reserved for the audit's units.
        Write: ${at}.unit = "NAME.service"; with another one.'')
      (unless (verified || builtins.elem s.unit host.declared || !forced) (absentMessage at s))
      (if verified then verifiedRefusals host at s else [ ])
      (inStore host "stacks.${name}.secrets" s.secrets (f: if builtins.isAttrs f && f ? path then f.path else f))
      (if s.autoUpdate then labelRefusals at s else [ ])
    ];

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
    host: at: s:
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
    ++ unless (builtins.length (host.execStart s.unit) <= 1) ''
      ${at}: ${s.unit} is declared elsewhere in this configuration too, and would run both commands.
      Remove systemd.user.services."${s.unit}" there, or write: ${at}.stage = "heal-artifacts";'';

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
