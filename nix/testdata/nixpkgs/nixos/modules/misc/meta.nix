# Replaces nixpkgs' module of this path: it only has the options.
{ lib, ... }:
{
  options.meta = lib.mkOption {
    type = lib.types.attrs;
    default = { };
  };
}
