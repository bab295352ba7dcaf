# The options of services.stackpolicy in NixOS.
{ lib }:
{
  users = import ./account-options.nix { inherit lib; };
  fleet = import ./fleet-options.nix { inherit lib; };
}
