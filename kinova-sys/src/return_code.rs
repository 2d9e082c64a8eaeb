//! Names of the return codes.

use std::ffi::c_int;

macro_rules! return_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: c_int = $code;)*

        /// The name of a return code, for logs and errors; "unnamed return code" if it has none.
        pub fn return_code_name(code: c_int) -> &'static str {
            match code {
                $($code => stringify!($name),)*
                _ => "unnamed return code",
            }
        }
    };
}

return_codes! {
    /// Success, or so the SDK says.
    SUCCESS = 1;
    /// Unknown.
    UNKNOWN_ERROR = 666;
    /// libusb or its context is not usable.
    LOAD_USB_LIBRARY = 1001;
    /// The communication layer has no open.
    OPEN_METHOD = 1002;
    /// The communication layer has no write.
    WRITE_METHOD = 1003;
    /// The communication layer has no read.
    READ_METHOD = 1004;
    /// The communication layer has no read of integers.
    READ_INT_METHOD = 1005;
    /// The communication layer cannot be freed.
    FREE_LIBRARY = 1006;
    /// The connection to the arm is faulty.
    JACO_CONNECTION = 1007;
    /// The USB interface is claimed by somebody else.
    CLAIM_INTERFACE = 1008;
    /// The device is of no known kind.
    UNKNOWN_DEVICE = 1009;
    /// The communication layer is not initialised.
    NOT_INITIALIZED = 1010;
    /// libusb: no device.
    LIBUSB_NO_DEVICE = 1011;
    /// libusb: busy.
    LIBUSB_BUSY = 1012;
    /// Not supported.
    LIBUSB_NOT_SUPPORTED = 1013;
    /// A packet could not be sent; any other libusb error, a time-out included.
    SENDPACKET_UNKNOWN = 1014;
    /// No device found; also what every failed read reports.
    NO_DEVICE_FOUND = 1015;
    /// The operation did not complete.
    OPERATION_INCOMPLETED = 1016;
    /// RS485: invalid handle.
    RS485_INVALID_HANDLE = 1017;
    /// RS485: not complete yet.
    RS485_IO_PENDING = 1018;
    /// RS485: out of memory.
    RS485_NOT_ENOUGH_MEMORY = 1019;
    /// RS485: time-out.
    RS485_TIMEOUT = 1020;
    /// The function is not accessible now.
    FUNCTION_NOT_ACCESSIBLE = 1021;
    /// No answer in time.
    COMM_TIMEOUT = 1022;
    /// The API could not be initialised.
    INIT_API = 2001;
    /// The communication layer's library was not found: see `LD_LIBRARY_PATH`.
    LOAD_COMM_LAYER = 2002;
    /// The arm refused the first packet.
    NACK_FIRST_PACKET = 2003;
    /// The answer does not fit the question.
    COMM_FAILED = 2004;
    /// The arm refused a later packet.
    NACK_LATER_PACKET = 2005;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_1_MISSING = 2006;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_2_MISSING = 2007;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_3_MISSING = 2008;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_4_MISSING = 2009;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_5_MISSING = 2010;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_6_MISSING = 2011;
    /// The named semaphore could not be opened.
    SEMAPHORE = 2012;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_7_MISSING = 2013;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_8_MISSING = 2014;
    /// A symbol of the communication layer is missing.
    COMM_SYMBOL_9_MISSING = 2015;
    /// A parameter is invalid.
    INVALID_PARAM = 2100;
    /// `InitAPI` has not run.
    API_NOT_INITIALIZED = 2101;
    /// The data structures could not be initialised.
    INIT_DATA_STRUCTURES = 2102;
    /// A file could not be used.
    FILE_1 = 5001;
    /// A file could not be used.
    FILE_2 = 5002;
    /// A file could not be used.
    FILE_3 = 5003;
    /// The arm refused the command.
    NACK_RECEIVED = 9999;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        assert_eq!(return_code_name(1), "SUCCESS");
        assert_eq!(return_code_name(1015), "NO_DEVICE_FOUND");
        assert_eq!(return_code_name(2002), "LOAD_COMM_LAYER");
        assert_eq!(return_code_name(0), "unnamed return code");
    }
}
