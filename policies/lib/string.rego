package stackpolicy.lib

# non_empty is the text, or what to say in place of an empty one.
non_empty("", instead) := instead

non_empty(text, _) := text if text != ""
