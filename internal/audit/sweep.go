package audit

// ArchiveSwept records that archived HR files of a source were deleted after
// their retention period.
const ArchiveSwept Action = "hr.archive-swept"
