package stackpolicy.lib

# non_empty is the text, or the other text if it is empty.
non_empty("", instead) := instead

non_empty(text, _) := text if text != ""
