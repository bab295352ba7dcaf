package lint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// allowedBuiltins lists the builtins that rules may call: those that give the same result for
// the same document on every machine. All others are refused, also new ones of a newer OPA,
// until somebody has reviewed them. Not allowed are builtins that use the network, the clock,
// the environment, files or the rules' own text, builtins for keys and certificates,
// deprecated ones, and strings.render_template, a language that has loops.
func allowedBuiltins() []string {
	return []string{
		"abs", "and", "array.concat", "array.flatten", "array.reverse", "array.slice", "assign",
		"base64.decode", "base64.encode", "base64.is_valid",
		"base64url.decode", "base64url.encode", "base64url.encode_no_pad",
		"bits.and", "bits.lsh", "bits.negate", "bits.or", "bits.rsh", "bits.xor",
		"ceil", "concat", "contains", "count", "div", "endswith", "eq", "equal", "floor", "format_int",
		"glob.match", "glob.quote_meta", "graph.reachable", "graph.reachable_paths",
		"gt", "gte", "hex.decode", "hex.encode", "indexof", "indexof_n",
		"internal.member_2", "internal.member_3", "internal.print", "internal.template_string", "internal.test_case",
		"intersection", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string",
		"json.filter", "json.is_valid", "json.marshal", "json.marshal_with_options", "json.patch", "json.remove", "json.unmarshal",
		"lower", "lt", "lte", "max", "min", "minus", "mul", "neq", "numbers.range", "numbers.range_step",
		"object.filter", "object.get", "object.keys", "object.remove", "object.subset", "object.union", "object.union_n",
		"or", "plus", "print", "product",
		"regex.find_all_string_submatch_n", "regex.find_n", "regex.globs_match", "regex.is_valid", "regex.match",
		"regex.replace", "regex.split", "regex.template_match",
		"rem", "replace", "round", "semver.compare", "semver.is_valid", "sort", "split", "sprintf", "startswith",
		"strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.replace_n",
		"strings.reverse", "strings.split_n", "substring", "sum",
		"time.add_date", "time.clock", "time.date", "time.diff", "time.format",
		"time.parse_duration_ns", "time.parse_rfc3339_ns", "time.weekday", "to_number",
		"trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix", "type_name",
		"union", "units.parse", "units.parse_bytes", "upper", "uri.is_valid", "uri.parse",
		"urlquery.decode", "urlquery.decode_object", "urlquery.encode", "urlquery.encode_object",
		"walk", "yaml.is_valid", "yaml.marshal", "yaml.unmarshal",
	}
}

// utcOnly lists the builtins that take a time, with the number of their other arguments. OPA
// also accepts [time, zone], but the zone "Local" and the zone files differ between machines.
var utcOnly = map[string][]types.Type{
	"time.add_date": {types.N, types.N, types.N, types.N},
	"time.clock":    {types.N},
	"time.date":     {types.N},
	"time.diff":     {types.N, types.N},
	"time.format":   {types.N},
	"time.weekday":  {types.N},
}

// Capabilities returns the capabilities that rules are compiled with. A schema's $ref is
// never fetched.
func Capabilities() *ast.Capabilities {
	allowed := allowedBuiltins()
	c := &ast.Capabilities{Features: ast.Features, AllowNet: []string{}}
	for _, b := range ast.Builtins {
		if slices.Contains(allowed, b.Name) {
			c.Builtins = append(c.Builtins, inUTC(b))
		}
	}
	return c
}

// inUTC returns the builtin with a declaration that does not accept a zone.
func inUTC(b *ast.Builtin) *ast.Builtin {
	args, found := utcOnly[b.Name]
	if !found {
		return b
	}
	utc := *b
	utc.Decl = types.NewFunction(args, b.Decl.Result())
	return &utc
}
