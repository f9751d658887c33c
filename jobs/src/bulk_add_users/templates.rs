//! Headers of the upload forms that users' files are often made for.

use crate::Template;

/// The templates, none of which fits another's header.
pub(super) const TEMPLATES: &[Template] = &[
    PARTNER_CENTER,
    ADMIN_CENTRE,
    ADMIN_CENTRE_DE,
    ADMIN_CENTRE_ES,
    ADMIN_CENTRE_PT,
    ENTRA,
];

pub(crate) const PARTNER_CENTER: Template = Template {
    name: "Partner Center user upload",
    preamble: None,
    markers: &[],
    opposite: None,
    columns: &[
        ("First name", Some("first_name")),
        ("Last name", Some("last_name")),
        ("Display name", Some("display_name")),
        ("Email", Some("user_principal_name")),
        // The portal's own column for results, to be left empty.
        ("Status update", None),
    ],
};

pub(crate) const ADMIN_CENTRE: Template = Template {
    name: "Microsoft 365 admin centre",
    preamble: None,
    markers: &[],
    opposite: None,
    columns: &[
        ("Username", Some("user_principal_name")),
        ("First name", Some("first_name")),
        ("Last name", Some("last_name")),
        ("Display name", Some("display_name")),
        ("Job title", Some("job_title")),
        ("Department", Some("department")),
        ("Office number", Some("office")),
        ("Office phone", Some("office_phone")),
        ("Mobile phone", Some("mobile_phone")),
        ("Fax", Some("fax")),
        ("Alternate email address", Some("alternate_email")),
        ("Address", Some("street_address")),
        ("City", Some("city")),
        ("State or province", Some("state")),
        ("ZIP or postal code", Some("postal_code")),
        ("Country or region", Some("country")),
    ],
};

/// Headers that stand for the office's number in the portal, which goes by the order of its columns, and read like a phone's.
pub(crate) const LIKE_A_PHONE: [&str; 3] = ["Telefon – Geschäftlich", "Número del trabajo", "Número comercial"];

/// In German.
pub(crate) const ADMIN_CENTRE_DE: Template = Template {
    name: "Microsoft 365 admin centre, German",
    preamble: None,
    markers: &[],
    opposite: None,
    columns: &[
        ("Benutzername", Some("user_principal_name")),
        ("Vorname", Some("first_name")),
        ("Nachname", Some("last_name")),
        ("Anzeigename", Some("display_name")),
        ("Position", Some("job_title")),
        ("Abteilung", Some("department")),
        ("Telefon – Geschäftlich", Some("office")),
        ("Telefon (geschäftlich)", Some("office_phone")),
        ("Mobiltelefon", Some("mobile_phone")),
        ("Fax", Some("fax")),
        ("Alternative E-Mail-Adresse", Some("alternate_email")),
        ("Adresse", Some("street_address")),
        ("Ort", Some("city")),
        ("Bundesstaat", Some("state")),
        ("Postleitzahl", Some("postal_code")),
        ("Land oder Region", Some("country")),
    ],
};

/// In Spanish.
pub(crate) const ADMIN_CENTRE_ES: Template = Template {
    name: "Microsoft 365 admin centre, Spanish",
    preamble: None,
    markers: &[],
    opposite: None,
    columns: &[
        ("Nombre de usuario", Some("user_principal_name")),
        ("Nombre", Some("first_name")),
        ("Apellidos", Some("last_name")),
        ("Nombre para mostrar", Some("display_name")),
        ("Puesto", Some("job_title")),
        ("Departamento", Some("department")),
        ("Número del trabajo", Some("office")),
        ("Teléfono del trabajo", Some("office_phone")),
        ("Teléfono móvil", Some("mobile_phone")),
        ("Número de fax", Some("fax")),
        ("Dirección", Some("street_address")),
        ("Ciudad", Some("city")),
        ("Estado o provincia", Some("state")),
        ("Código postal", Some("postal_code")),
        ("País o región", Some("country")),
    ],
};

/// In Portuguese, as of Brazil.
pub(crate) const ADMIN_CENTRE_PT: Template = Template {
    name: "Microsoft 365 admin centre, Portuguese",
    preamble: None,
    markers: &[],
    opposite: None,
    columns: &[
        ("Nome de usuário", Some("user_principal_name")),
        ("Nome", Some("first_name")),
        ("Sobrenome", Some("last_name")),
        ("Nome de exibição", Some("display_name")),
        ("Cargo", Some("job_title")),
        ("Departamento", Some("department")),
        ("Número comercial", Some("office")),
        ("Telefone comercial", Some("office_phone")),
        ("Celular", Some("mobile_phone")),
        ("Fax", Some("fax")),
        ("Endereço de email alternativo", Some("alternate_email")),
        ("Endereço", Some("street_address")),
        ("Cidade", Some("city")),
        ("Estado ou província", Some("state")),
        ("CEP", Some("postal_code")),
        ("País ou região", Some("country")),
    ],
};

pub(crate) const ENTRA: Template = Template {
    name: "Microsoft Entra bulk create",
    preamble: Some("version:v1.0"),
    markers: &[],
    opposite: None,
    columns: &[
        // First, so that who makes no passwords can do without it.
        ("Initial password [passwordProfile] Required", Some("password")),
        ("Name [displayName] Required", Some("display_name")),
        ("User name [userPrincipalName] Required", Some("user_principal_name")),
        (
            "Block sign in (Yes/No) [accountEnabled] Required",
            Some("block_sign_in"),
        ),
        ("First name [givenName]", Some("first_name")),
        ("Last name [surname]", Some("last_name")),
        ("Job title [jobTitle]", Some("job_title")),
        ("Department [department]", Some("department")),
        ("Usage location [usageLocation]", Some("usage_location")),
        ("Street address [streetAddress]", Some("street_address")),
        ("State or province [state]", Some("state")),
        ("Country or region [country]", Some("country")),
        ("Office [physicalDeliveryOfficeName]", Some("office")),
        ("City [city]", Some("city")),
        ("ZIP or postal code [postalCode]", Some("postal_code")),
        ("Office phone [telephoneNumber]", Some("office_phone")),
        ("Mobile phone [mobile]", Some("mobile_phone")),
    ],
};
