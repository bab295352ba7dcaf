# The stages of a rollout. Each has what the ones before it have, and one thing
# more; docs/migrating.md walks through them.
rec {
  stages = [
    "observe" # the audit looks and tells
    "reconcile" # it also reloads what is stale, and forgets failures of what is gone
    "heal-artifacts" # an activation also replaces what stands in the way of the stacks' unit files
    "verified-apply" # the stacks' units are the module's own: preflight, apply, verify
  ];

  # reached says whether a stage has what `wanted` brings.
  reached = wanted: stage: rank stage >= rank wanted;

  rank = stage: position stage stages;

  position =
    name: list:
    if list == [ ] then
      throw "no stage is called ${name}"
    else if builtins.head list == name then
      0
    else
      1 + position name (builtins.tail list);

  # modeOf is what the audit may do: what the operator says, else what the stage
  # brings.
  modeOf =
    o:
    if o.mode != null then
      o.mode
    else if reached "reconcile" o.stage then
      "enforce"
    else
      "observe";

  # stacksAt are the stacks whose own stage has what `wanted` brings.
  stacksAt =
    wanted: o:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = o.stacks.${name};
      }) (builtins.filter (name: reached wanted o.stacks.${name}.stage) (builtins.attrNames o.stacks))
    );
}
