# Texts: writes YAML, reads unit files and durations, makes revision stamps.
rec {
  # seconds returns the seconds of a duration such as "90s", "4m" or "1h30m".
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

  # compact leaves out keys, at every depth, whose value is null or empty: the program
  # then uses its defaults.
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

  # yaml returns a value as a YAML document in block style. Scalars are written as
  # JSON, which YAML 1.2 includes, so every text is read back unchanged.
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

  # isMapping: a derivation counts as a path, because its attributes are recursive.
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

  # yamlKey also quotes words that YAML reads as true, false or null.
  yamlKey =
    key:
    let
      plain = builtins.match "[A-Za-z_][A-Za-z0-9_-]*" key != null;
      word = builtins.match "([Yy]|[Nn]|[Yy]es|[Nn]o|[Oo]n|[Oo]ff|[Tt]rue|[Ff]alse|[Nn]ull|[A-Z]+)" key != null;
    in
    if plain && !word then key else builtins.toJSON key;

  # parseUnit reads a unit file into sections of keys, in the form of Home Manager's
  # options: a key that is given more than once becomes a list. Continued lines are
  # not supported; the shipped units have none.
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

  # revision returns the stamp of a unit, given as its sections. The stamp is a line
  # of the unit's Documentation, which it leaves out. D-Bus shows the Documentation
  # that is loaded, so an audit can compare it with the file on disk. Times cannot be
  # compared: every file in the Nix store has the same.
  revision =
    unit:
    let
      sections = compact (unit // { Unit = removeAttrs (unit.Unit or { }) [ "Documentation" ]; });
    in
    "info:stackpolicy-rev-"
    + builtins.substring 0 16 (builtins.hashString "sha256" (builtins.toJSON sections));
}
