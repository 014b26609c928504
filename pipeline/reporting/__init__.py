"""The report: pictures, tables and the page that holds them."""
