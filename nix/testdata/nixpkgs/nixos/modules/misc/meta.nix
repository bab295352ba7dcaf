# Stands in for nixpkgs' module of this path: the options alone.
{ lib, ... }:
{
  options.meta = lib.mkOption {
    type = lib.types.attrs;
    default = { };
  };
}
