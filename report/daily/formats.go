package daily

import "stackpolicy/internal/output"

// Formats lists every way to write the daily report.
func Formats() []output.Format[Model] {
	return []output.Format[Model]{{Name: "html", Write: WriteHTML}, {Name: "text", Write: WriteText}}
}

// StatusFormats lists every way to write the last audit's verdict.
func StatusFormats() []output.Format[Status] {
	return []output.Format[Status]{{Name: "text", Write: WriteStatus}, {Name: "json", Write: WriteStatusJSON}}
}

// LogFormats lists every way to write what audits saw and did.
func LogFormats() []output.Format[Log] {
	return []output.Format[Log]{{Name: "text", Write: WriteLog}, {Name: "json", Write: WriteLogJSON}}
}
