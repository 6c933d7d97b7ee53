def junit_xml(outcome):
    return ""
