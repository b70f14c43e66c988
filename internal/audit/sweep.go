package audit

// ArchiveSwept tells how many of HR's files were deleted from a source's archive
// because their time was over.
const ArchiveSwept Action = "hr.archive-swept"
