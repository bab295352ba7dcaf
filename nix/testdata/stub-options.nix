# Options that Home Manager's minimal set of modules uses without declaring them.
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
    enableNixpkgsReleaseCheck = false; # nixpkgs' library may be newer than Home Manager
  };
}
