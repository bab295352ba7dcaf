# The stages of a rollout. Each adds one thing to the stages before it.
# docs/migrating.md walks through them.
rec {
  stages = [
    "observe" # the audit only reports
    "reconcile" # it also reloads stale units, and forgets failures of units that are gone
    "heal-artifacts" # an activation also replaces files that are in the way of the stacks' unit files
    "verified-apply" # the module declares the stacks' units: preflight, apply, verify
  ];

  # reached reports whether a stage is the stage `wanted` or a later one.
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

  # modeOf returns the audit's mode: the operator's choice, otherwise the stage's.
  modeOf =
    o:
    if o.mode != null then
      o.mode
    else if reached "reconcile" o.stage then
      "enforce"
    else
      "observe";

  # stacksAt returns the stacks whose own stage is `wanted` or a later one.
  stacksAt =
    wanted: o:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = o.stacks.${name};
      }) (builtins.filter (name: reached wanted o.stacks.${name}.stage) (builtins.attrNames o.stacks))
    );
}
