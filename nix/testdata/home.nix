# A home with stacks that are declared in different ways: web by the module, old by the
# operator, who has a drop-in for it, and a unit that does not belong to the module.
{
  services.stackpolicy = {
    enable = true;
    stage = "verified-apply";
    stamp = [ "mine.service" ];
    stacks.web = {
      compose = [ "/home/ada/web/compose.yaml" ];
      autoUpdate = true;
      restart = true;
    };
    stacks.old.stage = "heal-artifacts";
    stacks.young.stage = "observe";
  };

  systemd.user.services = {
    old = {
      Unit.Description = "Stack old";
      Service = {
        Type = "oneshot";
        RemainAfterExit = true;
        TimeoutStartSec = 60;
        ExecStart = "/bin/true";
        ExecStartPost = "/bin/true";
      };
      Install.WantedBy = [ "default.target" ];
    };
    mine.Service.ExecStart = "/bin/true";
    mine.Install.WantedBy = [ "default.target" ];
    other.Service.ExecStart = "/bin/true";
  };

  xdg.configFile."systemd/user/old.service.d/10-more.conf".text = "[Service]\nNice=5\n";
  xdg.configFile."systemd/user/other.service.d/10-more.conf".text = "[Service]\nNice=5\n";
}
