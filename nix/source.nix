# The files that the programs are built from. A change to another file, such as a page of
# the documentation, builds nothing again. Tests are among them: Go looks at their imports
# when it collects the modules.
{ lib }:
let
  inherit (lib) fileset;
in
fileset.intersection (fileset.fromSource (lib.cleanSource ../.)) (
  fileset.unions [
    ../go.mod
    ../go.sum
    (fileset.fileFilter (file: file.hasExt "go" || file.hasExt "sh") ../.)
    ../decide/policy/example
    ../policies
    ../report/daily
    ../report/fleet
    ../report/look
    ../schemas
    ../units
  ]
)
