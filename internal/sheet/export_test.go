package sheet

// MostColumns is mostColumns.
const MostColumns = mostColumns
