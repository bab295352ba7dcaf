# The files of source.nix, by nixpkgs' library. It asks for a builtin that Nix has since
# 2.14, which is provided here.
{ nixpkgs }:
let
  scope = {
    builtins = builtins // {
      readFileType = path: (builtins.readDir (dirOf path)).${baseNameOf path};
    };
    import = scopedImport scope;
  };
  lib = scopedImport scope (nixpkgs + "/lib/default.nix");
in
map toString (lib.fileset.toList (import ../source.nix { inherit lib; }))
