package drift

import (
	"slices"
	"strings"

	"stackpolicy/internal/unitfile"
)

// revisionStamp begins a Documentation= entry that names the revision of its file. D-Bus
// shows Documentation as loaded, so an equal stamp proves that the file's content is
// loaded, whatever its times are.
const revisionStamp = "info:stackpolicy-rev-"

// hasLoadedStamp reports whether the file with these settings has exactly one
// revision stamp, and that stamp is loaded.
func (u *Unit) hasLoadedStamp(file unitfile.Settings) bool {
	words := strings.Fields(strings.Join(file.List("Unit.Documentation"), " "))
	stamps := slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, revisionStamp) })
	return len(stamps) == 1 && slices.Contains(u.Loaded.Documentation, stamps[0])
}
