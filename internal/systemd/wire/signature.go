package wire

import "bytes"

// alignment returns the alignment of a type by its first letter.
func alignment(kind byte) int {
	switch kind {
	case 'y', 'g', 'v':
		return 1
	case 'n', 'q':
		return 2
	case 'x', 't', 'd', '(', '{':
		return 8
	}
	return 4
}

// firstType returns the length of the first complete type of a signature; 0 if it is not
// well-formed or nested too deep.
func firstType(sig []byte, depth int) int {
	if len(sig) == 0 || depth > maxDepth {
		return 0
	}
	switch {
	case sig[0] == '(':
		return enclosed(sig, ')', depth+1)
	case sig[0] == 'a' && len(sig) > 1 && sig[1] == '{':
		if n := enclosed(sig[1:], '}', depth+1); n > 0 {
			return 1 + n
		}
	case sig[0] == 'a':
		if n := firstType(sig[1:], depth+1); n > 0 {
			return 1 + n
		}
	case bytes.IndexByte([]byte("ybnqiuxtdsogvh"), sig[0]) >= 0:
		return 1
	}
	return 0
}

// enclosed returns the length of a structure or a dictionary's entry; 0 if it is empty or
// not well-formed.
func enclosed(sig []byte, end byte, depth int) int {
	for at := 1; at < len(sig); {
		if sig[at] == end && at > 1 {
			return at + 1
		}
		n := firstType(sig[at:], depth)
		if n == 0 {
			return 0
		}
		at += n
	}
	return 0
}

// members returns the types in a well-formed structure.
func members(sig []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for in := sig[1 : len(sig)-1]; len(in) > 0; {
			n := firstType(in, 0)
			if !yield(in[:n]) {
				return
			}
			in = in[n:]
		}
	}
}
