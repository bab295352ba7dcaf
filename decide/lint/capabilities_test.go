package lint

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/internal/fixture"
)

// refusedBuiltins lists the builtins that somebody reviewed and did not allow.
func refusedBuiltins() []string {
	return strings.Fields(`
		all any cast_array cast_boolean cast_null cast_object cast_set cast_string net.cidr_overlap re_match set_diff

		crypto.hmac.equal crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512
		crypto.md5 crypto.parse_private_keys crypto.sha1 crypto.sha256
		crypto.x509.parse_and_verify_certificates crypto.x509.parse_and_verify_certificates_with_options
		crypto.x509.parse_certificate_request crypto.x509.parse_certificates crypto.x509.parse_keypair
		crypto.x509.parse_rsa_private_key
		io.jwt.decode io.jwt.decode_verify io.jwt.encode_sign io.jwt.encode_sign_raw io.jwt.verify_eddsa
		io.jwt.verify_es256 io.jwt.verify_es384 io.jwt.verify_es512 io.jwt.verify_hs256 io.jwt.verify_hs384
		io.jwt.verify_hs512 io.jwt.verify_ps256 io.jwt.verify_ps384 io.jwt.verify_ps512 io.jwt.verify_rs256
		io.jwt.verify_rs384 io.jwt.verify_rs512 providers.aws.sign_req

		http.send net.cidr_contains net.cidr_contains_matches net.cidr_expand net.cidr_intersects net.cidr_is_valid
		net.cidr_merge net.lookup_ip_addr
		opa.runtime rand.intn time.now_ns time.parse_ns uuid.parse uuid.rfc4122

		graphql.is_valid graphql.parse graphql.parse_and_verify graphql.parse_query graphql.parse_schema
		graphql.schema_is_valid json.match_schema json.verify_schema
		rego.metadata.chain rego.metadata.rule rego.parse_module trace

		strings.render_template`)
}

// TestEveryBuiltinIsKnown fails if OPA has a new builtin: review it, and add it to
// allowedBuiltins or to refusedBuiltins.
func TestEveryBuiltinIsKnown(t *testing.T) {
	var names []string
	for _, b := range ast.Builtins {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	known := slices.Sorted(slices.Values(slices.Concat(allowedBuiltins(), refusedBuiltins())))
	for _, name := range names {
		if !slices.Contains(known, name) {
			t.Errorf("the builtin %s is new", name)
		}
	}
	for i, name := range known {
		if !slices.Contains(names, name) {
			t.Errorf("OPA has no builtin %s", name)
		}
		if i > 0 && known[i-1] == name {
			t.Errorf("%s is named twice", name)
		}
	}
}

func TestAllowedBuiltinsAreDeterministic(t *testing.T) {
	builtins := Capabilities().Builtins
	if got, want := len(builtins), len(allowedBuiltins()); got != want {
		t.Errorf("got %d builtins, want %d", got, want)
	}
	for _, b := range builtins {
		if b.IsNondeterministic() {
			t.Errorf("%s is allowed", b.Name)
		}
	}
}

// TestTimesAreUTC: a rule that uses the machine's time zone, or a zone file, would decide
// differently on another machine.
func TestTimesAreUTC(t *testing.T) {
	const refused = "p/invariants/loaded/loaded.rego:22: "
	cases := map[string]struct{ expression, want string }{
		"clock":               {`time.clock(0) != []`, ""},
		"clock of a zone":     {`time.clock([0, "Local"]) != []`, refused + "time.clock: invalid argument(s)"},
		"date":                {`time.date(0) != []`, ""},
		"date of a zone":      {`time.date([0, "Europe/Berlin"]) != []`, refused + "time.date: invalid argument(s)"},
		"weekday":             {`time.weekday(0) != ""`, ""},
		"weekday of a zone":   {`time.weekday([0, "Local"]) != ""`, refused + "time.weekday: invalid argument(s)"},
		"format":              {`time.format(0) != ""`, ""},
		"format of a zone":    {`time.format([0, "Local", "15:04"]) != ""`, refused + "time.format: invalid argument(s)"},
		"add_date":            {`time.add_date(0, 0, 0, 1) > 0`, ""},
		"add_date of a zone":  {`time.add_date([0, "Local"], 0, 0, 1) > 0`, refused + "time.add_date: invalid argument(s)"},
		"diff":                {`time.diff(0, 1) != []`, ""},
		"diff of a zone":      {`time.diff(0, [1, "Local"]) != []`, refused + "time.diff: invalid argument(s)"},
		"parse with a zone":   {`time.parse_rfc3339_ns("2026-01-02T03:04:05+01:00") > 0`, ""},
		"parse a zone's name": {`time.parse_ns("MST", "CEST") > 0`, refused + "the builtin time.parse_ns is not allowed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := check(fixture.WithRule(strings.Replace(fixture.Rule, `unit.loaded.load_state != "loaded"`, "unit.loaded\n\t"+c.expression, 1)), "p")
			if c.want == "" && err != nil {
				t.Errorf("got %v", err)
			}
			if c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
