# A NixOS machine is booted, drifts, is healed, and is switched to two other
# configurations. The steps that ada does are in machine-steps.sh, so that they can also be
# done on a machine without NixOS (lab/matrix/testdata/machine_steps.txtar).
{
  pkgs,
  home-manager,
  self,
}:
pkgs.testers.runNixOSTest {
  name = "stackpolicy-machine";

  nodes.machine.imports = [
    home-manager.nixosModules.home-manager
    self.nixosModules.default
    (import ./machine.nix {
      image = pkgs.dockerTools.buildImage {
        name = "localhost/app";
        tag = "1";
        copyToRoot = [ pkgs.busybox ];
        config.Cmd = [ "/bin/httpd" "-f" "-p" "8080" ];
      };
    })
    { virtualisation.diskSize = 4096; virtualisation.memorySize = 2048; }
  ];

  testScript = ''
    def step(name):
        return "runuser -u ada -- env XDG_RUNTIME_DIR=/run/user/1000 PATH=/run/current-system/sw/bin:/etc/profiles/per-user/ada/bin sh ${./machine-steps.sh} " + name

    system = machine.succeed("readlink -f /run/current-system").strip()
    machine.wait_for_unit("user@1000.service")

    with subtest("boot: the stack runs without a login, after its secret"):
        machine.succeed("loginctl show-user ada --property=Linger | grep yes")
        machine.wait_until_succeeds(step("running"))
        machine.succeed(step("secret"))

    with subtest("the audit finds nothing"):
        machine.wait_until_succeeds(step("healthy"))

    with subtest("drift is found, and healed"):
        machine.succeed(step("drift"))
        machine.succeed(step("heal"))
        machine.succeed(step("healthy"))

    with subtest("a switch that fails half-way is reported"):
        machine.fail(f"{system}/specialisation/broken/bin/switch-to-configuration test")
        machine.succeed("systemctl is-failed home-manager-ada.service")
        machine.wait_until_succeeds(step("alarmed"))

    with subtest("a start of more than two minutes is waited for"):
        machine.succeed(f"{system}/specialisation/slow/bin/switch-to-configuration test")
        machine.succeed(step("running"))
        machine.succeed(f"{system}/bin/switch-to-configuration test")
        machine.wait_until_succeeds(step("healthy"))
  '';
}
