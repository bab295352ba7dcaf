# The configuration and the policies are checked when a generation is built. A
# mistake in them fails the build, not the host.
{
  lib,
  pkgs,
  plain,
}:
rec {
  # config is the file config.yaml. The build checks it with the program itself, and
  # also the policies that it names.
  config =
    o:
    checked o "stackpolicy-config.yaml" (plain.yaml (plain.configuration o (policies o))) ''
      cp "$textPath" "$out"
      mkdir -p home/.config/stackpolicy
      cp "$out" home/.config/stackpolicy/config.yaml
      stackpolicy policy check
    '';

  # policies is the policy folder with its settings, or null for the built-in
  # policies. A folder without main.rego is a layer: the program lays it over the built-in
  # rules. The build checks the rules that result, and runs their tests.
  policies =
    o:
    let
      settings = plain.settings o;
      copy =
        if o.policies == null then
          ''mkdir "$out"'' # settings alone are a layer over the built-in rules
        else
          ''cp -r --no-preserve=mode ${o.policies} "$out"'';
    in
    if o.policies == null && settings == { } then
      null
    else
      checked o "stackpolicy-policies" (plain.yaml { inherit settings; }) ''
        ${copy}
        ${lib.optionalString (settings != { }) ''cp "$textPath" "$out/settings.yaml"''}
        stackpolicy policy check --policy "$out"
        stackpolicy policy test --policy "$out"
      '';

  # checker returns the package that checks: where the build machine cannot run the host's
  # programs, one of its own platform.
  checker =
    o:
    if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
      o.package
    else
      pkgs.buildPackages.stackpolicy or (pkgs.buildPackages.callPackage ./package.nix { });

  checked =
    o: name: text: script:
    pkgs.runCommand name
      {
        inherit text;
        passAsFile = [ "text" ];
        nativeBuildInputs = [ (checker o) ];
        preferLocalBuild = true;
      }
      ''
        export HOME="$PWD/home" XDG_CONFIG_HOME="$PWD/home/.config"
        mkdir -p "$XDG_CONFIG_HOME/stackpolicy/facts.d"
        ${lib.concatStrings (
          lib.mapAttrsToList (name: schema: ''
            cp --no-preserve=mode ${schema} "$XDG_CONFIG_HOME/stackpolicy/facts.d/${name}.schema.json"
          '') (schemas o)
        )}
        ${script}
      '';

  # schemas are those of the operator's own facts, by name.
  schemas = o: lib.mapAttrs (_: f: f.schema) (lib.filterAttrs (_: f: f.schema != null) o.localFacts);

  # localFacts are the files of facts.d.
  localFacts =
    o:
    lib.mapAttrs' (name: schema: lib.nameValuePair "stackpolicy/facts.d/${name}.schema.json" { source = schema; }) (schemas o)
    // lib.mapAttrs' (
      name: f: lib.nameValuePair "stackpolicy/facts.d/${name}.json" { text = builtins.toJSON f.value; }
    ) (lib.filterAttrs (_: f: f.value != null) o.localFacts);

  # assertions refuse files that the build could not read, and two sources of one
  # document, of which one would be ignored.
  assertions = o: [
    {
      assertion = lib.all (name: builtins.match "[a-z][a-z0-9_]{0,63}" name != null) (lib.attrNames o.localFacts);
      message = "services.stackpolicy.localFacts: want names of small letters, digits and _, such as backup";
    }
    {
      assertion =
        o.policies == null || builtins.isPath o.policies || lib.hasPrefix builtins.storeDir "${o.policies}";
      message = ''
        services.stackpolicy.policies = "${toString o.policies}": a build cannot read there.
        Write a Nix path, without quotes, as in: policies = ./rules;'';
    }
    {
      assertion =
        o.policies == null || plain.settings o == { } || !(builtins.pathExists "${o.policies}/settings.yaml");
      message = ''
        services.stackpolicy.policies has a settings.yaml, and services.stackpolicy sets settings, waivers or a restart too.
        Keep one: remove settings.yaml from the folder, or write everything into it.'';
    }
  ];
}
