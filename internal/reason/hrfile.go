package reason

import (
	"time"

	"github.com/behov/behov/internal/identity"
)

// InColumn is the reason of a problem in a column of a row.
type InColumn struct {
	kind
	Column  string `json:"column"`
	Because Reason `json:"because"`
}

// SkippingColumn is the reason of a problem in a column by which rows are skipped.
type SkippingColumn struct {
	kind
	Column  string `json:"column"`
	Because Reason `json:"because"`
}

// CellEmpty says that it is empty.
type CellEmpty struct{ kind }

// NamesEmpty says that both names are empty.
type NamesEmpty struct{ kind }

// SponsorEmpty says that a contract has no sponsor.
type SponsorEmpty struct{ kind }

// Placeholder says that a key is what databases write for a missing value.
type Placeholder struct{ kind }

// CellTooLong says that a value is too long.
type CellTooLong struct {
	kind
	Most int `json:"most"` // characters
}

// TemplateTooLong says that what a template makes is too long.
type TemplateTooLong struct {
	kind
	Most int `json:"most"` // characters
}

// CharacterLost says that a character was lost.
type CharacterLost struct{ kind }

// NULByte says that a value has a NUL byte.
type NULByte struct{ kind }

// ControlCharacter says that a value has a control character.
type ControlCharacter struct{ kind }

// HiddenCharacter says that a name has an invisible character.
type HiddenCharacter struct {
	kind
	Character string `json:"character,omitempty"` // as U+200B
}

// FormulaWithoutValue says that a cell has a formula without a value.
type FormulaWithoutValue struct{ kind }

// CellMerged says that a cell is merged with another one.
type CellMerged struct{ kind }

// CellError says that a cell shows an error.
type CellError struct {
	kind
	Shows string `json:"shows,omitempty"`
}

// NotADate says that it is not a date in the formats that are read.
type NotADate struct {
	kind
	Formats AnyOf  `json:"formats,omitempty"`
	Source  string `json:"source"` // empty for a client over SCIM
}

// SerialDate says that it is a serial date of Excel.
type SerialDate struct {
	kind
	Source string `json:"source"`
}

// NoDateWord says that it may be a word for no date.
type NoDateWord struct {
	kind
	Source  string `json:"source"`
	Setting string `json:"setting"`
}

// BadNationalID says that a number is no personal identity number.
type BadNationalID struct{ kind }

// LeaveEndsEarly says that a leave ends before it starts.
type LeaveEndsEarly struct{ kind }

// LeaveWithoutStart says that a leave has no start.
type LeaveWithoutStart struct{ kind }

// ContractTooLong says that a contract is too long.
type ContractTooLong struct {
	kind
	Days int `json:"days"`
}

// BadStamp says that it is no instant and no growing number.
type BadStamp struct{ kind }

// UnitNotThere says that a unit is not in the units file.
type UnitNotThere struct{ kind }

// BadPercent says that it is no percentage.
type BadPercent struct{ kind }

// NeitherYesNorNo says that it is neither yes nor no.
type NeitherYesNorNo struct{ kind }

// ShareAmongPercent says that a share stands among percent.
type ShareAmongPercent struct{ kind }

// SharesForPercent says that a column has shares of one for percent.
type SharesForPercent struct {
	kind
	Shares int `json:"shares"`
	Rows   int `json:"rows"` // left out
}

// TimeNotMidnight says that dates have a time of day.
type TimeNotMidnight struct {
	kind
	Rows int `json:"rows"`
}

// ProtectedWordUnknown says that a word for protected is not known.
type ProtectedWordUnknown struct {
	kind
	Yes    []string `json:"yes,omitempty"`
	No     []string `json:"no,omitempty"`
	Source string   `json:"source"`
}

// ProtectionEmptied says that an emptied cell keeps a protection.
type ProtectionEmptied struct{ kind }

// ProtectionKept says that a lifted protection is kept.
type ProtectionKept struct {
	kind
	Count int `json:"count"` // of people
}

// CellEmptied says that a cell is empty that was not before.
type CellEmptied struct {
	kind
	Was  string `json:"was,omitempty"`  // empty where it is personal
	Ends bool   `json:"ends,omitempty"` // the access that it gave ends
}

// ColumnGone says that a column of changes is empty in many rows.
type ColumnGone struct {
	kind
	Rows int `json:"rows"`
}

// ColumnKept says that a column is empty in many rows, and the values stay.
type ColumnKept struct {
	kind
	Rows int `json:"rows"`
	Line int `json:"line"` // the first one
}

// ColumnShifted says that many people have another value than before.
type ColumnShifted struct {
	kind
	Changed int `json:"changed"`
	Known   int `json:"known"`
	Percent int `json:"percent"`
	Most    int `json:"most"`
}

// ZerosLost says that numbers lost zeros at the start.
type ZerosLost struct {
	kind
	Count   int    `json:"count"`
	Digits  int    `json:"digits"`
	Others  int    `json:"others"` // digits of almost all others
	Source  string `json:"source"`
	Setting string `json:"setting"`
}

// EndsBeforeStart says that an employment that has begun ends before its start.
type EndsBeforeStart struct{ kind }

// CancelsEmployment says that an end before the start cancels an employment.
type CancelsEmployment struct{ kind }

// StartsLaterAlone says that the active employment of a person who starts another one is missing.
type StartsLaterAlone struct{ kind }

// StartMoved says that a row moves the start of an active employment.
type StartMoved struct {
	kind
	Hold     string `json:"hold,omitempty"` // that holds it, if it is decided by itself
	Rejected bool   `json:"rejected,omitempty"`
}

// RowShort says that a row has too few fields.
type RowShort struct {
	kind
	Fields int `json:"fields"`
	Needed int `json:"needed"`
}

// RowLong says that a row has too many fields.
type RowLong struct {
	kind
	Fields  int `json:"fields"`
	Columns int `json:"columns"`
}

// TotalsRow says that a row looks like one of totals.
type TotalsRow struct {
	kind
	Source  string `json:"source"`
	Setting string `json:"setting"`
}

// HeaderAgain says that a line has the names of columns again.
type HeaderAgain struct{ kind }

// RowUnreadable says that a row cannot be read.
type RowUnreadable struct {
	kind
	Because Reason `json:"because"`
}

// NumberedPerPerson says that employments are numbered for each person.
type NumberedPerPerson struct {
	kind
	Source string `json:"source"`
}

// EmploymentOfAnother says that an employment belongs to another person.
type EmploymentOfAnother struct {
	kind
	Advice Reason `json:"advice"`
}

// EmploymentTwice says that rows of one employment contradict each other.
type EmploymentTwice struct {
	kind
	Line    int    `json:"line"`
	Because Reason `json:"because"`
}

// AnotherPersonsThere says that the other row is of another person.
type AnotherPersonsThere struct {
	kind
	Advice Reason `json:"advice"`
}

// AllRowsLeftOut says that all rows of an employment are left out.
type AllRowsLeftOut struct{ kind }

// LastingDiffers says that rows from different days differ in what lasts.
type LastingDiffers struct{ kind }

// ValidFromMissing says that only some rows of an employment have a valid_from.
type ValidFromMissing struct{ kind }

// PersonDiffers says that the person's own columns differ between rows.
type PersonDiffers struct {
	kind
	Line int `json:"line"`
}

// NameEmptied says that a name is empty and had a value.
type NameEmptied struct {
	kind
	Name string `json:"name,omitempty"`
}

// AnotherPerson says that a row may be of another person under a used key.
type AnotherPerson struct{ kind }

// LettersGarbled says that the letters of a name are garbled.
type LettersGarbled struct{ kind }

// ErasedReturns says that a row is of an erased person with a later employment.
type ErasedReturns struct {
	kind
	Source string `json:"source"`
}

// SameNumberOtherName says that another person has the number and another name.
type SameNumberOtherName struct{ kind }

// SameNumberOtherSource says that a person of another source has the number and a name in common.
type SameNumberOtherSource struct{ kind }

// OneOfSeveral says that the record may be that of one of several people.
type OneOfSeveral struct {
	kind
	Waits bool `json:"waits,omitempty"` // the new person gets nothing until it is decided
}

// MayBeKnown says that the record may be that of a known person.
type MayBeKnown struct {
	kind
	SameSource bool     `json:"same_source,omitempty"` // under another person_id
	Columns    []string `json:"columns,omitempty"`     // that joining them would change
	Waits      bool     `json:"waits,omitempty"`
}

// MayBeTruncated says that a file may be cut off.
type MayBeTruncated struct {
	kind
	Source   string `json:"source"`
	Complete bool   `json:"complete,omitempty"` // every active employment is in it
}

// ExportDated says that a file's date lies in the future.
type ExportDated struct {
	kind
	Named    identity.Date `json:"named,omitempty"`   // the date in its name, in the future
	Modified time.Time     `json:"modified,omitzero"` // UTC
	Ahead    bool          `json:"ahead,omitempty"`   // the modification time is in the future as well
}

// ExportOlder says that an export is older than the last imported one.
type ExportOlder struct {
	kind
	File string    `json:"file,omitempty"`
	Made time.Time `json:"made,omitzero"` // UTC
	Last time.Time `json:"last,omitzero"` // when the last one was made, UTC
}

// ExportAgain says that an export was imported before another one.
type ExportAgain struct {
	kind
	File string    `json:"file,omitempty"`
	At   time.Time `json:"at,omitzero"` // UTC
}

// NoRecords says that an export has no record.
type NoRecords struct{ kind }

// ReadBrokeOff says that a file cannot be read to its end.
type ReadBrokeOff struct {
	kind
	Detail string `json:"detail,omitempty"`
}

// TooManyProblems says that there are too many problems.
type TooManyProblems struct {
	kind
	Most  int    `json:"most"`
	First Reason `json:"first"`
}

// MoreWarnings says that there are more warnings.
type MoreWarnings struct {
	kind
	Count int `json:"count"`
}

// NotRead is the reason of a file that was not read, in the words of an error.
type NotRead struct {
	kind
	Detail string `json:"detail,omitempty"`
}

// HeaderLooksLikeData says that the first line looks like a row.
type HeaderLooksLikeData struct {
	kind
	Source string `json:"source"`
}

// SameColumnTwice says that two columns have one name.
type SameColumnTwice struct {
	kind
	First  int `json:"first"`
	Second int `json:"second"`
}

// ColumnMissing says that there is no column.
type ColumnMissing struct {
	kind
	Column string `json:"column"`
	XML    bool   `json:"xml,omitempty"`
}

// RequiredColumnsMissing says that required columns are missing.
type RequiredColumnsMissing struct {
	kind
	Missing []string `json:"missing"`
	Columns int      `json:"columns"` // of the first line
	XML     bool     `json:"xml,omitempty"`
	Source  string   `json:"source"`
}

// ConstantColumnMissing says that a constant needs a column that is missing.
type ConstantColumnMissing struct {
	kind
	Because Reason `json:"because"`
	Source  string `json:"source"`
	Column  string `json:"column"`
	Others  int    `json:"others"`
}

// MappedColumnMissing says that a column is missing to which another is mapped.
type MappedColumnMissing struct {
	kind
	Because Reason `json:"because"`
	Source  string `json:"source"`
	Column  string `json:"column"`
	Others  int    `json:"others"`
}

// SkipColumnMissing says that a column is missing by which rows are skipped.
type SkipColumnMissing struct {
	kind
	Because Reason `json:"because"`
	Source  string `json:"source"`
	Others  int    `json:"others"`
}

// ColumnsUnknown says that a file has none of the columns that are looked for.
type ColumnsUnknown struct {
	kind
	Names  string `json:"names,omitempty"`
	Source string `json:"source"`
	First  string `json:"first,omitempty"` // one of them, as YAML
	Sheet  bool   `json:"sheet,omitempty"` // another sheet may have them
}

// FeedIncomplete says that a feed announces more than it sent.
type FeedIncomplete struct {
	kind
	Because Reason `json:"because"`
}

// FeedPagesOfCSV says that a feed of CSV comes in pages.
type FeedPagesOfCSV struct {
	kind
	Name string `json:"name,omitempty"` // of what announces them
}

// FeedToken says that a feed continues at a token.
type FeedToken struct {
	kind
	Name string `json:"name,omitempty"`
}

// FeedMore says that a feed announces more without a link.
type FeedMore struct {
	kind
	Name string `json:"name,omitempty"`
}

// FeedPages says that a feed has more pages than it gave.
type FeedPages struct {
	kind
	Pages int `json:"pages"`
	Given int `json:"given"`
}

// FeedRecords says that a feed has more records than it gave.
type FeedRecords struct {
	kind
	Records int `json:"records"`
	Given   int `json:"given"`
}

// SourcePushed says that a source receives data over SCIM.
type SourcePushed struct {
	kind
	Source string `json:"source"`
}

// SourceNowhere says that a source has no location to read from.
type SourceNowhere struct {
	kind
	Source string `json:"source"`
}

// NotEncoding says that a file is not in the encoding that is set.
type NotEncoding struct {
	kind
	Encoding string `json:"encoding,omitempty"`
	Setting  string `json:"setting"`
}

// NoText says that a file is no text.
type NoText struct {
	kind
	Setting string `json:"setting"`
}

// NotUTF8 says that a file is not UTF-8.
type NotUTF8 struct {
	kind
	Setting string `json:"setting"` // empty where UTF-8 is the only one
}

// AlmostUTF8 says that a file is UTF-8 but for a few bytes.
type AlmostUTF8 struct {
	kind
	Count int `json:"count"` // of bytes
}

// PartlyUTF8 says that a file is partly UTF-8.
type PartlyUTF8 struct {
	kind
	Setting string `json:"setting"`
}

// NoKnownEncoding says that the encoding of a file is not known.
type NoKnownEncoding struct {
	kind
	Setting string `json:"setting"`
}

// ReadAsWindows1252 says that a file was read as windows-1252.
type ReadAsWindows1252 struct {
	kind
	Setting string `json:"setting"`
}

// TooManyColumns says that there are too many columns.
type TooManyColumns struct {
	kind
	Columns int `json:"columns"` // or more
	Most    int `json:"most"`
}

// OldExcel says that a workbook is in the old format of Excel.
type OldExcel struct{ kind }

// PackedFile says that a file is packed and no workbook.
type PackedFile struct{ kind }

// IsWorkbook says that a file is a workbook and the settings say otherwise.
type IsWorkbook struct {
	kind
	Is      string `json:"is,omitempty"`
	Setting string `json:"setting"`
	Says    string `json:"says,omitempty"`
}

// NoWorkbook says that a file is no workbook.
type NoWorkbook struct {
	kind
	Setting string `json:"setting"`
}

// WebPage says that a file is a web page or XML.
type WebPage struct {
	kind
	Setting string `json:"setting"`
}

// WorkbookTooLarge says that a workbook is too large when it is unpacked.
type WorkbookTooLarge struct {
	kind
	MB int `json:"mb"`
}

// WorkbookBroken says that a workbook cannot be read.
type WorkbookBroken struct {
	kind
	Detail string `json:"detail,omitempty"`
}

// WorkbookEmpty says that a workbook has no sheet.
type WorkbookEmpty struct{ kind }

// SheetNotThere says that a workbook lacks the sheet that is set.
type SheetNotThere struct {
	kind
	Setting string `json:"setting"`
	Others  int    `json:"others"`
}

// SheetUnclear says that several sheets may be the export.
type SheetUnclear struct {
	kind
	Sheets  int    `json:"sheets"`
	Setting string `json:"setting"`
}

// SheetPassedOver says that other sheets have the same columns and are not read.
type SheetPassedOver struct {
	kind
	Sheets  []string `json:"sheets,omitempty"`
	Setting string   `json:"setting"`
}

// SheetEmpty says that a sheet has no row of names.
type SheetEmpty struct{ kind }

// SheetRowUnreadable says that a row of a workbook cannot be read.
type SheetRowUnreadable struct{ kind }

// RowRepeated says that a row is repeated too often.
type RowRepeated struct {
	kind
	Most int `json:"most"`
}

// NoPosition says that no column of a fixed format has a position.
type NoPosition struct {
	kind
	Setting string `json:"setting"`
}

// FileEmpty says that a file is empty.
type FileEmpty struct {
	kind
	Names bool `json:"names,omitempty"` // it has a line of column names
}

// NamesUnreadable says that the line of column names cannot be read.
type NamesUnreadable struct {
	kind
	Detail string `json:"detail,omitempty"`
}

// TooManyUnreadable says that too many records cannot be read.
type TooManyUnreadable struct {
	kind
	Most int `json:"most"`
}

// NoObject says that a record of JSON is no object.
type NoObject struct {
	kind
	Fields bool `json:"fields,omitempty"` // with a field for each column
}

// NestedTooDeep says that a record of JSON is nested too deep.
type NestedTooDeep struct{ kind }

// NoXPath says that the XPath of a record is missing.
type NoXPath struct {
	kind
	Setting string `json:"setting"`
}

// XMLEncodingUnknown says that the encoding of XML is not known.
type XMLEncodingUnknown struct {
	kind
	Setting string `json:"setting"`
}

// XMLRecordTooLarge says that a record of XML is too large.
type XMLRecordTooLarge struct {
	kind
	MB   int `json:"mb"`
	Tags int `json:"tags"`
}

// XMLNoRecord says that XML has no record at the XPath.
type XMLNoRecord struct {
	kind
	Setting string `json:"setting"`
}

// FileBroken is the reason of a file that is broken, in the words of its reader.
type FileBroken struct {
	kind
	Detail string `json:"detail,omitempty"`
}

// XMLBroken says that a file breaks off or is no XML.
type XMLBroken struct{ kind }

// XMLNested says that elements of XML are nested too deep.
type XMLNested struct {
	kind
	Most int `json:"most"`
}

// XMLDocumentType says that XML has a document type, which is not read.
type XMLDocumentType struct{ kind }

// XPathsFail says that a record cannot be read by the XPaths that are set.
type XPathsFail struct {
	kind
	Record  string `json:"record"`  // the setting
	Columns string `json:"columns"` // the setting
}

// ColumnNoXPath says that the name of a column is no XPath.
type ColumnNoXPath struct {
	kind
	Setting string `json:"setting"`
}

// RecordNoXPath says that the setting of a record is no XPath.
type RecordNoXPath struct {
	kind
	Setting string `json:"setting"`
}

// JSONBroken says that a file breaks off or is no JSON.
type JSONBroken struct{ kind }

// UnitUnreadable says that a unit cannot be read.
type UnitUnreadable struct {
	kind
	Because Reason `json:"because"`
}

// DeactivationRefused says that a request to deactivate a user was refused.
type DeactivationRefused struct {
	kind
	User   string `json:"user"`   // the ID of the resource
	Detail string `json:"detail"` // as the client was answered
}

// ValuesIgnored says that a user was deactivated, and other values of the request were
// ignored.
type ValuesIgnored struct {
	kind
	User       string   `json:"user"`
	Attributes []string `json:"attributes"`
	Detail     string   `json:"detail"`
}

// NoProtectedColumn says that no column of a source says who has a protected identity.
type NoProtectedColumn struct {
	kind
	Source string `json:"source"`
}

// NoSuchDay says that a month does not have the day.
type NoSuchDay struct{ kind }
