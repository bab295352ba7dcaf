# A NixOS machine for machine-test.nix: an account with a stack whose image, and whose secret,
# are put in place by user units at boot.
{ image }:
{ lib, ... }:
let
  compose = builtins.toFile "compose.yaml" ''
    services:
      app:
        image: localhost/app:1
        ports: ["127.0.0.1:8080:8080"]
  '';

  oneshot = command: {
    Unit.Before = [ "web.service" ];
    Service = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = command;
    };
    Install.WantedBy = [ "default.target" ];
  };

  home = {
    home.stateVersion = "25.05";
    services.stackpolicy = {
      enable = true;
      stage = "verified-apply";
      stacks.web = {
        compose = [ compose ];
        project = "web";
        secrets = [ "/home/ada/.config/sops-nix/secrets/token" ];
        after = [ "load-image.service" ];
      };
    };
    systemd.user.services = {
      # As sops-nix does: nothing but the order of the stack's unit makes it wait.
      sops-nix = oneshot "/bin/sh -c 'sleep 5; umask 077; mkdir -p %h/.config/sops-nix/secrets; echo secret >%h/.config/sops-nix/secrets/token'";
      load-image = oneshot "/run/current-system/sw/bin/podman load --input ${image}";
    };
  };

  # A switch to this configuration fails half-way: its stack has no such image.
  broken.services.stackpolicy.stacks.web.compose = lib.mkForce [
    (builtins.toFile "compose.yaml" "services: {app: {image: \"localhost/none:1\"}}\n")
  ];

  # A start that takes longer than the two minutes that sd-switch would wait.
  slow.systemd.user.services.web.Service.ExecStartPre = [ "/bin/sh -c 'sleep 130'" ];
in
{
  virtualisation.podman.enable = true;
  users.users.ada = {
    isNormalUser = true;
    uid = 1000;
    subUidRanges = [ { startUid = 100000; count = 65536; } ];
    subGidRanges = [ { startGid = 100000; count = 65536; } ];
  };
  home-manager.useGlobalPkgs = true;
  home-manager.users.ada = home;

  specialisation.broken.configuration.home-manager.users.ada = broken;
  specialisation.slow.configuration.home-manager.users.ada = slow;
}
