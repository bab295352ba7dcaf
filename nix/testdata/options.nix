# The options of both modules as a list, with nixpkgs' library alone.
{ nixpkgs }:
let
  lib = import (nixpkgs + "/lib");
  of = import ../options.nix {
    inherit lib;
    pkgs = throw "an option's default has no text for the documents";
  };
  text = value: if value ? text then value.text else value;
in
lib.mapAttrs (
  _: options:
  map (
    o:
    {
      inherit (o) name type;
      description = text (o.description or "");
    }
    // lib.optionalAttrs (o ? default) { default = text o.default; }
    // lib.optionalAttrs (o ? example) { example = text o.example; }
  ) (lib.filter (o: o.visible && !o.internal) (lib.optionAttrSetToDocList options))
) of
