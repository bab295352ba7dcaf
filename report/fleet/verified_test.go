package fleet

import (
	"strings"
	"testing"

	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
)

func TestVerified(t *testing.T) {
	den := func(change func(*archive.Verified)) archive.Verified {
		v := archive.Verified{Source: fleet.Source{Org: "home", Host: "den", User: "ada"}, Envelopes: 4}
		if change != nil {
			change(&v)
		}
		return v
	}
	gap := den(func(v *archive.Verified) { v.Missing = []fleet.Range{{From: 5, To: 6}} })
	for name, c := range map[string]struct {
		list []archive.Verified
		want string
	}{
		"none":     {nil, "0 envelopes of 0 keys were read again. None is missing, contradicts another or was changed.\n"},
		"good":     {[]archive.Verified{den(nil)}, "4 envelopes of 1 key were read again. None is missing, contradicts another or was changed.\n"},
		"one gap":  {[]archive.Verified{gap}, "den ada: missing: 5 to 6\n4 envelopes of 1 key were read again. 1 source is not as it should be.\n"},
		"two gaps": {[]archive.Verified{gap, gap}, "8 envelopes of 2 keys were read again. 2 sources are not as they should be.\n"},
		"accepted": {
			[]archive.Verified{den(func(v *archive.Verified) { v.Accepted = []fleet.Range{{From: 5, To: 5}} })},
			"4 envelopes of 1 key were read again. 1 envelope is lost, which was accepted. No other is missing, contradicts another or was changed.\n",
		},
	} {
		var out strings.Builder
		if err := writeVerified(&out, c.list); err != nil || !strings.HasSuffix(out.String(), c.want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, &out, c.want)
		}
	}
}
