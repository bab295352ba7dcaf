# Texts: YAML out, unit files in, durations, revision stamps.
rec {
  # seconds of a duration as config.yaml has it: "90s", "4m", "1h30m".
  seconds =
    duration:
    let
      worth = {
        h = 3600;
        m = 60;
        s = 1;
      };
      parts = builtins.filter builtins.isList (builtins.split "0*([0-9]+)([hms])" duration);
      part = p: builtins.fromJSON (builtins.head p) * worth.${builtins.elemAt p 1};
    in
    builtins.foldl' (sum: p: sum + part p) 0 parts;

  # compact leaves out, at every depth, what is null or has nothing in it: keys
  # that are left out have the program's own defaults.
  compact =
    value:
    if isMapping value then
      let
        whole = builtins.mapAttrs (_: compact) value;
      in
      removeAttrs whole (builtins.filter (key: empty whole.${key}) (builtins.attrNames whole))
    else if builtins.isList value then
      map compact value
    else
      value;

  empty = value: value == null || value == { } || value == [ ];

  # yaml is a value as a YAML document in block style. Scalars are written as
  # JSON, which YAML 1.2 includes, so no text can become anything but itself.
  yaml = value: joinLines (yamlLines value);

  joinLines = lines: builtins.concatStringsSep "\n" lines + "\n";

  yamlLines =
    value:
    if empty value || !(isBlock value) then
      [ (builtins.toJSON value) ]
    else if isMapping value then
      builtins.concatMap (key: yamlEntry key value.${key}) (builtins.attrNames value)
    else
      builtins.concatMap yamlItem value;

  isBlock = value: isMapping value || builtins.isList value;

  # isMapping: a derivation is a path, and its attributes go round in circles.
  isMapping = value: builtins.isAttrs value && !(value ? outPath);

  yamlEntry =
    key: value:
    let
      head = yamlKey key + ":";
      below = yamlLines value;
    in
    if isBlock value && !(empty value) then
      [ head ] ++ map (line: "  " + line) below
    else
      [ "${head} ${builtins.head below}" ];

  yamlItem =
    value:
    let
      below = yamlLines value;
    in
    [ "- ${builtins.head below}" ] ++ map (line: "  " + line) (builtins.tail below);

  # yamlKey: words that YAML takes for true, false or null are quoted too.
  yamlKey =
    key:
    let
      plain = builtins.match "[A-Za-z_][A-Za-z0-9_-]*" key != null;
      word = builtins.match "([Yy]|[Nn]|[Yy]es|[Nn]o|[Oo]n|[Oo]ff|[Tt]rue|[Ff]alse|[Nn]ull|[A-Z]+)" key != null;
    in
    if plain && !word then key else builtins.toJSON key;

  # parseUnit reads a unit file into sections of keys, the way Home Manager's
  # options take them: a key given more than once is a list. The shipped units
  # use no continued lines.
  parseUnit =
    content:
    let
      lines = builtins.filter builtins.isString (builtins.split "\n" content);
      start = {
        section = null;
        unit = { };
      };
    in
    (builtins.foldl' parseLine start lines).unit;

  parseLine =
    state: line:
    let
      header = builtins.match "\\[(.*)]" line;
      setting = builtins.match "([A-Za-z-]+)=(.*)" line;
      key = builtins.elemAt setting 0;
      section = state.unit.${state.section} or { };
      value =
        if section ? ${key} then
          toList section.${key} ++ [ (builtins.elemAt setting 1) ]
        else if state.section == "Install" then
          [ (builtins.elemAt setting 1) ] # Home Manager maps over these
        else
          builtins.elemAt setting 1;
    in
    if header != null then
      state // { section = builtins.head header; }
    else if setting != null then
      state // { unit = state.unit // { ${state.section} = section // { ${key} = value; }; }; }
    else if builtins.match "([#;].*)?" line != null then
      state
    else
      throw "no line of a unit file: ${line}";

  toList = value: if builtins.isList value then value else [ value ];

  # revision is the stamp of a unit, given as its sections; its Documentation is
  # not looked at, as the stamp stands there. D-Bus tells Documentation as loaded,
  # so an audit can tell by the stamp whether the manager runs what stands on
  # disk, although every file in the Nix store has the same time.
  revision =
    unit:
    let
      sections = compact (unit // { Unit = removeAttrs (unit.Unit or { }) [ "Documentation" ]; });
    in
    "info:stackpolicy-rev-"
    + builtins.substring 0 16 (builtins.hashString "sha256" (builtins.toJSON sections));
}
