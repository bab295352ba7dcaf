# Which files below the configuration folder belong to which unit.
rec {
  # isArtifact reports whether a path below the configuration folder belongs to one
  # of the units: the unit's file, a link in a folder of links, a drop-in, or the quadlet
  # that the unit is generated from. Home Manager has no force for a unit, so each of these files needs a force of its own
  # (modules/systemd.nix of Home Manager).
  isArtifact =
    units: path:
    let
      parts = builtins.match "systemd/user/([^/]+)(/([^/]+))?" path;
      first = builtins.elemAt parts 0;
      second = builtins.elemAt parts 2;
      ofLinks = builtins.match ".+\\.(wants|requires|upholds)" first != null;
      ofDropins = builtins.match "(.+)\\.d" first;
    in
    if parts == null then
      builtins.elem (generatedBy path) units
    else if second == null then
      builtins.elem first units
    else if ofLinks then
      builtins.elem second units
    else
      ofDropins != null && builtins.elem (builtins.head ofDropins) units;

  # writtenBy returns the unit that a file below the configuration folder is, or that podman
  # generates from it; null if it is neither.
  writtenBy =
    path:
    let
      parts = builtins.match "systemd/user/([^/]+)" path;
    in
    if parts == null then generatedBy path else builtins.head parts;

  # generatedBy returns the service that podman generates from a quadlet or a drop-in of it
  # (podman-systemd.unit(5)); null for another file.
  generatedBy =
    path:
    let
      parts = builtins.match "containers/systemd/(.*/)?([^/]+)\\.(container|kube|pod)(\\.d/[^/]+)?" path;
      stem = builtins.elemAt parts 1;
      isPod = builtins.elemAt parts 2 == "pod";
    in
    if parts == null then null else stem + (if isPod then "-pod.service" else ".service");

  # Kinds of units that Home Manager declares, by the suffix of their names.
  unitKinds = {
    service = "services";
    socket = "sockets";
    target = "targets";
    timer = "timers";
    path = "paths";
    slice = "slices";
    mount = "mounts";
    automount = "automounts";
  };

  # splitUnit splits a unit's name into stem and suffix; null if it is not a unit's
  # name.
  splitUnit =
    name:
    let
      parts = builtins.match "(.+)\\.([a-z]+)" name;
    in
    if parts == null || !(unitKinds ? ${builtins.elemAt parts 1}) then
      null
    else
      {
        stem = builtins.elemAt parts 0;
        suffix = builtins.elemAt parts 1;
      };

  # byKind distributes units, by name, over the options of systemd.user.
  byKind =
    units:
    builtins.foldl' (
      sorted: name:
      let
        split = splitUnit name;
        kind = unitKinds.${split.suffix};
      in
      sorted // { ${kind} = (sorted.${kind} or { }) // { ${split.stem} = units.${name}; }; }
    ) { } (builtins.attrNames units);
}
