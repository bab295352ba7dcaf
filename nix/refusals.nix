# What a configuration is refused for before it is built: each message says what
# to write instead. Types and enums are the options' own; what the program
# itself checks in config.yaml and settings.yaml is checked by the build.
{ text, stages }:
rec {
  # Home Manager's activation service waits for the units that it starts, five
  # minutes at most on NixOS (nixos/default.nix of Home Manager).
  maxStart = 270;

  # What apply and verify may take beyond their own time: an apply stops the
  # provider, a verify reads logs (docs/stackctl.md).
  margin = 60;

  # refusals lists what is wrong with option values `o` on a host:
  #   startServices  what systemd.user.startServices has come to
  #   backup         { extension, overwrite } of Home Manager's NixOS module; null elsewhere
  #   storeDir       the Nix store
  #   declared       names of all units that Home Manager declares
  #   execStart      ExecStart, a list, of a unit by name, as it is declared in the end
  refusals =
    o: host:
    builtins.concatLists (
      [
        (startServices host)
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

  mode =
    o:
    unless (o.stage != "observe" || o.mode != "enforce") ''
      services.stackpolicy: stage "observe" acts on nothing, so mode = "enforce" contradicts it.
      Write: stage = "reconcile"; and leave mode out.'';

  # backup: with force an older backup is overwritten without a word, and
  # without it an older backup aborts the activation (measured).
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
        one of the same name is lost without a word. Write either: home-manager.overwriteBackup = true; to say that
        it may be, or leave backupFileExtension out.'';

  # What systemd takes for a unit or, in a folder of drop-ins, for one of those
  # (systemd.unit(5)).
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

  # highest is the highest stage of anything here.
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
          services.stackpolicy.stamp: "${unit}" is none of the units that systemd.user declares in this configuration.
          Write the whole name, with its suffix, of one of: ${builtins.concatStringsSep ", " host.declared}''
      ) o.stamp;

  # inStore refuses secrets that would be in the Nix store, where everyone on
  # the machine may read them; a Nix path is copied there.
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
        services.stackpolicy.${option}: the secret ${text} would stand in the Nix store, where everyone may read it.
        Write, as a text in quotes, where it is on the host: "/run/secrets/NAME", or what sops-nix or agenix call its path.''
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

  # secretsOf are the files that a sink's keys name.
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
        services.stackpolicy.alerts: nothing loads the credential "${name}".
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
        ${at}.unit = "${s.unit}": units of that name are the audit's own.
        Write: ${at}.unit = "NAME.service"; with another one.'')
      (unless (verified || builtins.elem s.unit host.declared || !forced) (absentMessage at s))
      (if verified then verifiedRefusals host at s else [ ])
      (inStore host "stacks.${name}.secrets" s.secrets (f: if builtins.isAttrs f && f ? path then f.path else f))
      (if s.autoUpdate then labelRefusals at s else [ ])
    ];

  # plainName: force is an unquoted prefix of a shell pattern, which a backslash
  # in a unit's name is not matched by (check-link-targets.sh of Home Manager).
  plainName = unit: builtins.match "[A-Za-z0-9:_.@-]+\\.service" unit != null;

  nameMessage = at: unit: ''
    ${at}.unit = "${unit}": Home Manager's force cannot match a name with a backslash, so a file in the way of this unit
    would abort every activation. Name the service in letters, digits and any of : _ . @ - alone; a - needs no \x2d.'';

  absentMessage = at: s: ''
    ${at}: Home Manager declares no ${s.unit}, so there is nothing that an activation could put back.
    Write: ${at}.unit = "NAME.service"; with the unit's name, or ${at}.stage = "verified-apply"; to have it made.'';

  verifiedRefusals =
    host: at: s:
    let
      takes = text.seconds s.apply.timeout + text.seconds s.verify.timeout + margin;
      may = text.seconds s.startTimeout;
    in
    unless (s.compose != [ ]) ''
      ${at}: without a compose file there is nothing to apply.
      Write: ${at}.compose = [ "/absolute/path/compose.yaml" ];''
    ++ unless (may <= maxStart) ''
      ${at}.startTimeout = "${s.startTimeout}": Home Manager's activation ends after five minutes itself, and with it every
      other unit that it was to start. Write at most "${toString maxStart}s".''
    ++ unless (takes <= may) ''
      ${at}.startTimeout = "${s.startTimeout}" is shorter than apply.timeout, verify.timeout and a minute together
      (${toString takes}s). Write shorter ones, or a startTimeout of "${toString takes}s".''
    ++ unless (builtins.length (host.execStart s.unit) <= 1) ''
      ${at}: ${s.unit} is declared elsewhere in this configuration too, and would run both commands.
      Remove systemd.user.services."${s.unit}" there, or write: ${at}.stage = "heal-artifacts";'';

  # labelRefusals: podman's auto-update restarts the unit that the label names.
  # Only compose files that are Nix paths can be read here; of others the
  # preflight tells.
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

  # labelsIn are the units that a compose file's labels name.
  labelsIn =
    content:
    let
      lines = builtins.filter builtins.isString (builtins.split "\n" content);
      names = map (builtins.match "[^#]*PODMAN_SYSTEMD_UNIT[\"']? *[:=] *[\"']?([A-Za-z0-9:_.@\\-]+).*") lines;
    in
    map builtins.head (builtins.filter (name: name != null) names);
}
