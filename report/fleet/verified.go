package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"stackpolicy/fleet/archive"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
	"stackpolicy/report"
)

// VerifySchema names the JSON of [Verified].
const VerifySchema = "stackpolicy.fleet-verify/v1"

// Verified is what was verified. Its JSON is stackpolicy.fleet-verify/v1.
type Verified struct {
	Schema string             `json:"schema"`
	Chains []archive.Verified `json:"chains"` // by source, each with the envelopes of one key
}

// VerifyFormats lists every way to write what was verified.
func VerifyFormats() []output.Format[[]archive.Verified] {
	return []output.Format[[]archive.Verified]{{Name: "text", Write: writeVerified}, {Name: "json", Write: writeVerifiedJSON}}
}

func writeVerifiedJSON(w io.Writer, list []archive.Verified) error {
	return writeJSON(w, Verified{VerifySchema, append([]archive.Verified{}, list...)})
}

// writeJSON writes a value, indented.
func writeJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	if _, err := w.Write(report.EscapeJSON(append(text, '\n'))); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func writeVerified(w io.Writer, list []archive.Verified) error {
	var out strings.Builder
	envelopes, bad, accepted := 0, 0, 0
	for _, v := range list {
		envelopes += v.Envelopes
		for _, r := range v.Accepted {
			accepted += int(r.To - r.From + 1)
		}
		if !v.IsGood() {
			bad++
			fmt.Fprintf(&out, "%s: %s\n", nameOf(v.Source), strings.Join(wrongWith(v), "; "))
		}
	}
	fmt.Fprintf(&out, "%s of %s were read again.", text.Count(envelopes, "envelope", "envelopes"), text.Count(len(list), "key", "keys"))
	if accepted > 0 {
		fmt.Fprintf(&out, " %s, which was accepted.", text.Count(accepted, "envelope is lost", "envelopes are lost"))
	}
	switch {
	case bad > 0:
		fmt.Fprintf(&out, " %s.\n", text.Count(bad, "source is not as it should be", "sources are not as they should be"))
	case accepted > 0:
		out.WriteString(" No other is missing, contradicts another or was changed.\n")
	default:
		out.WriteString(" None is missing, contradicts another or was changed.\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func wrongWith(v archive.Verified) (words []string) {
	if n := len(v.Changed); n > 0 {
		words = append(words, fmt.Sprintf("%s changed on the disk, the first is %d: restore the archive from a backup", text.Count(n, "envelope was", "envelopes were"), v.Changed[0]))
	}
	if v.Forks > 0 {
		words = append(words, text.Count(v.Forks, "envelope contradicts", "envelopes contradict")+" the others: two hosts have its key, so revoke it and enroll it again")
	}
	if len(v.Missing) > 0 {
		words = append(words, "missing: "+ranges(v.Missing))
	}
	if v.Lost > 0 {
		words = append(words, text.Count(int(v.Lost), "audit was", "audits were")+" forgotten by the host before it could send them")
	}
	return words
}
