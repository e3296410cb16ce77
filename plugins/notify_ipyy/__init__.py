"""Every dialect of the ipyy SMS/MMS gateway (北京创世华信) as transports of notify_core: one module, one transport."""
