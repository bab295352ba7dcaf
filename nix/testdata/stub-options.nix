# What Home Manager's minimal set of modules names without declaring it.
{ lib, ... }:
{
  options.programs.fish = lib.mkOption {
    type = lib.types.attrs;
    default = { };
  };
  config.home = {
    username = "ada";
    homeDirectory = "/home/ada";
    stateVersion = "25.05";
  };
}
