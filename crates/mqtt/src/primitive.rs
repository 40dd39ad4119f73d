//! Variable Byte Integer, UTF-8 string, binary data: how fields are read and written (1.5).
