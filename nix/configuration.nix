# config.yaml and settings.yaml, from option values.
{ text, stages }:
rec {
  # configuration returns config.yaml as a value. The policy folder is a path on the
  # host, or null for the built-in policies.
  configuration =
    o: policies:
    text.compact {
      mode = stages.modeOf o;
      inherit (o) units holds fleet;
      inherit policies;
      stacks = builtins.mapAttrs (_: stack) o.stacks;
      alerts = alerts o.alerts;
    };

  stack = s: {
    inherit (s)
      unit
      project
      provider
      probes
      ;
    compose = map place s.compose;
    env_files = map file s.envFiles;
    secrets = map file s.secrets;
    registries = if s.registries then true else null;
    on_failure = if s.onFailure == "keep" then null else s.onFailure;
    apply = { inherit (s.apply) timeout; };
    verify = { inherit (s.verify) timeout settle healthy; };
  };

  # place returns where a file is on the host: a Nix path is copied to the store.
  place = path: "${path}";

  # file returns a file as its path alone, or as a mapping if it has a mode or an owner.
  file =
    f:
    let
      whole = text.compact (f // { path = place f.path; });
    in
    if builtins.attrNames whole == [ "path" ] then whole.path else whole;

  alerts = a: {
    inherit (a) journal textfile alertmanager;
    webhooks = map (name: a.webhooks.${name} // { inherit name; }) (builtins.attrNames a.webhooks);
  };

  # settings returns settings.yaml as a value; { } if nothing is set: then the policy
  # folder's own settings are used. Keys that are no options are the file's own.
  settings =
    o:
    text.compact (removeAttrs o.settings [ "trustDistributionDropins" ] // {
      restart = o.settings.restart ++ restartable o;
      trust_distribution_dropins =
        o.settings.trust_distribution_dropins or o.settings.trustDistributionDropins;
      waivers = o.settings.waivers or [ ] ++ o.waivers;
      storage = {
        free_mb = o.settings.storage.freeMb;
        free_inodes = o.settings.storage.freeInodes;
      }
      // removeAttrs o.settings.storage [
        "freeMb"
        "freeInodes"
      ];
    });

  # restartable returns the units of stacks that opted in to restarts and whose
  # restart is verified: without a verify step a restart would prove nothing.
  restartable =
    o:
    let
      verified = stages.stacksAt "verified-apply" o;
    in
    map (name: verified.${name}.unit) (
      builtins.filter (name: verified.${name}.restart) (builtins.attrNames verified)
    );
}
