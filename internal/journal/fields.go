package journal

import (
	"encoding/hex"
	"fmt"
	"strings"

	"stackpolicy/internal/text"
)

const (
	maxFields = 32      // with the longest texts, one datagram of the usual 208 KiB has room for them
	maxText   = 4 << 10 // bytes
	maxName   = 64      // bytes, journal_field_valid() of systemd
	cutMark   = "…(cut)"
)

// fields returns all fields except message and priority, under their names in the
// journal.
func (e Entry) fields() (map[string]string, error) {
	switch {
	case e.Priority < 0 || e.Priority > 7:
		return nil, fmt.Errorf("priority %d is not 0 to 7", e.Priority)
	case len(e.Fields) > maxFields:
		return nil, fmt.Errorf("%d fields, more than %d", len(e.Fields), maxFields)
	}
	fields := map[string]string{}
	for name, value := range e.Fields {
		upper := strings.ToUpper(name)
		if err := checkName(upper); err != nil {
			return nil, err
		}
		if _, twice := fields[upper]; twice {
			return nil, fmt.Errorf("field %s is there twice", upper)
		}
		fields[upper] = clean(value)
	}
	return fields, e.own(fields)
}

// own adds MESSAGE_ID and USER_UNIT. The user manager writes USER_UNIT= with its
// messages about a unit, and journalctl --user --unit= also matches it for other
// processes of the same user (systemd.journal-fields(7)).
func (e Entry) own(fields map[string]string) error {
	if e.MessageID != "" {
		raw, err := hex.DecodeString(e.MessageID)
		if err != nil || len(raw) != 16 || e.MessageID != strings.ToLower(e.MessageID) {
			return fmt.Errorf("message id %.40q is not 32 lower-case hex digits", e.MessageID)
		}
		fields["MESSAGE_ID"] = e.MessageID
	}
	if e.UserUnit != "" {
		fields["USER_UNIT"] = clean(e.UserUnit)
	}
	return nil
}

// checkName refuses names that the journal drops without an error
// (sd_journal_print(3); journal_field_valid() of systemd), and names that are
// fields of [Entry].
func checkName(name string) error {
	switch {
	case name == "MESSAGE", name == "PRIORITY", name == "MESSAGE_ID", name == "USER_UNIT":
		return fmt.Errorf("field %s is set by another field of the entry", name)
	case name == "", len(name) > maxName, strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "":
		return fmt.Errorf("field name %.80q is not 1 to %d letters, digits and underscores", name, maxName)
	case name[0] == '_', '0' <= name[0] && name[0] <= '9':
		return fmt.Errorf("field name %q does not begin with a letter", name)
	}
	return nil
}

// clean escapes a text so that journalctl prints it. With a control character other
// than tab and line break, or invalid UTF-8, it would print "[31B blob data]". Marks that
// change the reading direction, and runes that show nothing, would reach the terminal.
func clean(value string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(value, "\uFFFD") {
		if r == '\n' || r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteString(text.Clean(string(r)))
		}
		if b.Len() > maxText {
			return strings.ToValidUTF8(b.String()[:maxText-len(cutMark)], "") + cutMark
		}
	}
	return b.String()
}
